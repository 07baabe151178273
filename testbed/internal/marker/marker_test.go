package marker

import "testing"

// Every marker has the result that its declaration promises, and no two share
// a name and a result.
func TestResults(t *testing.T) {
	if err := Setup(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	defer Cleanup()
	seen := map[[2]string]bool{}
	for _, k := range All() {
		for i := 0; i < 3; i++ {
			if got := k.Do(); got != k.Result {
				t.Errorf("%s: result %s, want %s", k.Name, got, k.Result)
			}
		}
		key := [2]string{k.Name, k.Result}
		if seen[key] {
			t.Errorf("%s %s is declared twice", k.Name, k.Result)
		}
		seen[key] = true
	}
	t.Logf("%d markers", len(all))
}
