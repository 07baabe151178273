//! Sparse log-linear histograms: what the kernel counts, merged without loss, and quantiles from it.
//!
//! Layout (the kernel's): values below 32 ns have a bucket each; above, every octave has 32 equal
//! buckets. Count, sum and max are exact. A quantile is the value of rank `ceil(q * n)` (nearest rank,
//! 1-based) to within [`QUANTILE_ERROR`]. Nothing here knows what is being measured.

use crate::input::{OCTAVES, SUB_BUCKETS};

/// Greatest relative error of a quantile: `|reported - exact| <= QUANTILE_ERROR * exact`.
///
/// A bucket holds the integers `a..=b` with `b < a * 33/32`; the harmonic mean `2ab/(a+b)` is the point with
/// the least worst relative error, `(b-a)/(b+a) < 1/65`, and rounding it to an integer costs less than the
/// rest up to 1/64 (checked for every bucket by a test below).
pub const QUANTILE_ERROR: f64 = 1.0 / 64.0;

/// Buckets of a full histogram.
pub const BUCKETS: usize = OCTAVES as usize * SUB_BUCKETS;

/// The bucket of a value in ns.
pub fn bucket_of(value_ns: u64) -> u16 {
    if value_ns < SUB_BUCKETS as u64 {
        return value_ns as u16;
    }
    let e = value_ns.ilog2();
    let octave = e - 4;
    let sub = (value_ns >> (e - 5)) & 31;
    (octave * 32) as u16 + sub as u16
}

/// The least and the greatest value (ns, both inclusive) of a bucket below [`BUCKETS`].
pub fn bucket_bounds(bucket: u16) -> (u64, u64) {
    let (octave, sub) = (u32::from(bucket) / 32, u64::from(bucket) % 32);
    if octave == 0 {
        return (sub, sub);
    }
    let shift = octave - 1;
    let low = (32 + sub) << shift;
    (low, low + ((1u64 << shift) - 1))
}

/// The value that stands for a bucket: the integer with the least worst relative error.
fn representative(bucket: u16) -> u64 {
    let (a, b) = bucket_bounds(bucket);
    if a == b {
        return a;
    }
    // 2ab/(a+b) = a + a(b-a)/(a+b); 128 bits hold the product.
    let offset = u128::from(a) * u128::from(b - a) / (u128::from(a) + u128::from(b));
    a + offset as u64
}

/// A sparse histogram of durations in ns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    count: u64,
    sum_ns: u64,
    max_ns: u64,
    /// Ascending by bucket, no zero counts.
    buckets: Vec<Bucket>,
}

/// 11 bits of bucket number above 53 bits of count: half the memory of a padded pair, and there are
/// millions of them in a busy trace. 2^53 calls in one bucket take 285 years at a million a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket(u64);

const COUNT_BITS: u32 = 53;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

impl Bucket {
    fn new(index: u16, count: u64) -> Self {
        Bucket((u64::from(index) << COUNT_BITS) | count.min(COUNT_MASK))
    }
    fn index(self) -> u16 {
        (self.0 >> COUNT_BITS) as u16
    }
    fn count(self) -> u64 {
        self.0 & COUNT_MASK
    }
}

impl Histogram {
    /// Adds one octave of counts. Octaves beyond [`OCTAVES`] hold no 64-bit value and are ignored.
    pub fn add_octave(
        &mut self,
        octave: u8,
        counts: &[u32; SUB_BUCKETS],
        sum_ns: u64,
        max_ns: u64,
    ) {
        if octave >= OCTAVES {
            return;
        }
        let base = u16::from(octave) * SUB_BUCKETS as u16;
        let added = counts
            .iter()
            .zip(base..)
            .filter(|(count, _)| **count > 0)
            .map(|(count, index)| Bucket::new(index, u64::from(*count)));
        let n: u64 = counts.iter().map(|c| u64::from(*c)).sum();
        if n == 0 {
            return;
        }
        self.count += n;
        self.sum_ns = self.sum_ns.saturating_add(sum_ns);
        self.max_ns = self.max_ns.max(max_ns);
        self.merge_sorted(added);
    }

    /// Adds one value, ns.
    pub fn record(&mut self, value_ns: u64) {
        self.count += 1;
        self.sum_ns = self.sum_ns.saturating_add(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
        self.merge_sorted(std::iter::once(Bucket::new(bucket_of(value_ns), 1)));
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Histogram) {
        self.count += other.count;
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            self.merge_sorted(other.buckets.iter().copied());
        }
    }

    /// Merges buckets that come in ascending order, so that each search starts where the last one ended.
    fn merge_sorted(&mut self, added: impl Iterator<Item = Bucket>) {
        let mut from = 0;
        for bucket in added {
            let rest = &self.buckets[from..];
            let at = from + rest.partition_point(|b| b.index() < bucket.index());
            match self.buckets.get_mut(at) {
                Some(there) if there.index() == bucket.index() => {
                    *there = Bucket::new(there.index(), there.count() + bucket.count());
                }
                _ => self.buckets.insert(at, bucket),
            }
            from = at + 1;
        }
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum, ns (saturating).
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The greatest of them, ns; 0 when there is none.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// The non-empty buckets, ascending: `(least value, greatest value, count)`, ns.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.buckets.iter().map(|bucket| {
            let (low, high) = bucket_bounds(bucket.index());
            (low, high, bucket.count())
        })
    }

    /// The value of rank `ceil(n * permille / 1000)` (at least 1), ns, to within [`QUANTILE_ERROR`]; 0
    /// when empty. The last rank is the exact maximum.
    pub fn quantile_permille(&self, permille: u32) -> u64 {
        let rank = rank(self.count, permille);
        if rank == self.count {
            return self.max_ns;
        }
        let mut seen = 0;
        for bucket in &self.buckets {
            seen += bucket.count();
            if seen >= rank {
                return representative(bucket.index()).min(self.max_ns);
            }
        }
        self.max_ns
    }
}

/// The 1-based nearest rank `ceil(n * permille / 1000)`, within 1..=n; 0 for no values.
pub fn rank(n: u64, permille: u32) -> u64 {
    let rank = (u128::from(n) * u128::from(permille)).div_ceil(1000) as u64;
    rank.max(1).min(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn relative_error(reported: u64, exact: u64) -> f64 {
        if exact == 0 {
            return reported as f64;
        }
        reported.abs_diff(exact) as f64 / exact as f64
    }

    #[test]
    fn every_bucket_keeps_the_stated_error() {
        let mut worst = 0f64;
        for bucket in 0..BUCKETS as u16 {
            let (a, b) = bucket_bounds(bucket);
            assert_eq!(bucket_of(a), bucket);
            assert_eq!(bucket_of(b), bucket);
            let mid = representative(bucket);
            assert!((a..=b).contains(&mid));
            worst = worst
                .max(relative_error(mid, a))
                .max(relative_error(mid, b));
        }
        assert!(worst <= QUANTILE_ERROR, "{worst}");
        assert!(worst > 0.015, "the bound is not slack: {worst}");
        assert_eq!(bucket_bounds(BUCKETS as u16 - 1).1, u64::MAX);
    }

    #[test]
    fn buckets_are_the_kernels() {
        // As the brief of the kernel side has it: octave = e - 4, sub = (v >> (e-5)) & 31.
        for v in [
            0u64,
            1,
            31,
            32,
            63,
            64,
            65,
            1000,
            123_456,
            1 << 40,
            u64::MAX,
        ] {
            let (octave, sub) = if v < 32 {
                (0, v)
            } else {
                let e = 63 - u64::from(v.leading_zeros());
                (e - 4, (v >> (e - 5)) & 31)
            };
            assert_eq!(u64::from(bucket_of(v)), octave * 32 + sub);
        }
    }

    #[test]
    fn ranks() {
        assert_eq!(rank(0, 500), 0);
        assert_eq!(rank(1, 500), 1);
        assert_eq!(rank(2, 500), 1);
        assert_eq!(rank(100, 990), 99);
        assert_eq!(rank(100, 999), 100);
        assert_eq!(rank(1000, 999), 999);
        assert_eq!(rank(u64::MAX, 1000), u64::MAX);
    }

    #[test]
    fn the_last_rank_is_exact() {
        let mut h = Histogram::default();
        h.record(1_000_003);
        assert_eq!(h.quantile_permille(500), 1_000_003);
        // 1 ms and 1.000003 ms share a bucket: the median may only be the bucket's value.
        h.record(1_000_000);
        assert_eq!(h.quantile_permille(999), 1_000_003);
    }

    #[test]
    fn empty_and_bad_input() {
        let mut h = Histogram::default();
        assert_eq!(h.quantile_permille(500), 0);
        h.add_octave(60, &[1; 32], 5, 5);
        h.add_octave(3, &[0; 32], 0, 0);
        assert_eq!(h, Histogram::default());
    }

    /// Durations as they come: uniform in the exponent, clustered, heavy-tailed, all equal.
    fn durations() -> impl Strategy<Value = Vec<u64>> {
        let log_uniform = (0u32..64, any::<u64>()).prop_map(|(bits, v)| v >> bits);
        prop_oneof![
            prop::collection::vec(log_uniform, 1..400),
            prop::collection::vec(0u64..100, 1..400),
            prop::collection::vec(1_000u64..1_100, 1..2000),
            prop::collection::vec(
                prop_oneof![20 => 800u64..1200, 1 => 40_000_000u64..44_000_000],
                1..2000
            ),
            (any::<u64>(), 1usize..50).prop_map(|(v, n)| vec![v; n]),
        ]
    }

    proptest! {
        #[test]
        fn quantiles_against_sorted_data(mut values in durations()) {
            let mut h = Histogram::default();
            for v in &values {
                h.record(*v);
            }
            values.sort_unstable();
            prop_assert_eq!(h.count(), values.len() as u64);
            prop_assert_eq!(h.max_ns(), *values.last().unwrap());
            let sum = values.iter().fold(0u64, |a, v| a.saturating_add(*v));
            prop_assert_eq!(h.sum_ns(), sum);
            prop_assert_eq!(h.quantile_permille(1000), h.max_ns());
            let lows: Vec<u64> = h.buckets().map(|b| b.0).collect();
            prop_assert!(lows.windows(2).all(|w| w[0] < w[1]));
            for permille in [1, 10, 250, 500, 900, 990, 999, 1000] {
                let exact = values[rank(values.len() as u64, permille) as usize - 1];
                let reported = h.quantile_permille(permille);
                prop_assert!(
                    relative_error(reported, exact) <= QUANTILE_ERROR,
                    "permille {}: {} for {}", permille, reported, exact
                );
            }
        }

        #[test]
        fn merging_is_recording_all(a in durations(), b in durations()) {
            let fill = |values: &[u64]| {
                let mut h = Histogram::default();
                values.iter().for_each(|v| h.record(*v));
                h
            };
            let mut merged = fill(&a);
            merged.merge(&fill(&b));
            let both: Vec<u64> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(&merged, &fill(&both));
            prop_assert_eq!(merged.buckets().map(|b| b.2).sum::<u64>(), merged.count());
        }

        #[test]
        fn octaves_are_recording_all(values in durations()) {
            let mut recorded = Histogram::default();
            let mut by_octave = Histogram::default();
            for v in values {
                recorded.record(v);
                let bucket = usize::from(bucket_of(v));
                let mut counts = [0; 32];
                counts[bucket % 32] = 1;
                by_octave.add_octave((bucket / 32) as u8, &counts, v, v);
            }
            prop_assert_eq!(recorded, by_octave);
        }
    }
}
