//! Which siblings are values of one placeholder: the evidence and what it takes.
//!
//! The question at every position of a path is whether its literals are names (`orders`, `users`) or values
//! (`alice`, `bob`). No single sign tells; these are used, the surest first:
//!
//! 1. *Shape*: three or four siblings that differ only in their digits are values (see `shape`).
//! 2. *The kernel's bound* (128 literals; fewer once its table fills): a position that reached it is open,
//!    if most of its literals were answered and they do not read as names.
//! 3. *Diversity*: above 12 siblings their number, how alike their subtrees are, whether they keep coming
//!    (many seen once), and whether they read as names or as values, decide together. Up to 40 names that
//!    are asked for again and again stay names: large interfaces have that many resources. Above 40 alike
//!    siblings that do not read as names are values, however often they are asked for: a pool of 50 users
//!    under load looks just so.
//!
//! What only ever got a 404 proves nothing about names (a scanner's garbage must not turn a list of
//! resources into `{id}`), so it is not counted; such siblings are judged among themselves. Once a position
//! is a placeholder, literals that clearly differ from the values stay (`/users/search` among user names).
//!
//! Evidence is gathered per method, for `POST /login` says nothing about `GET /{page}`; what was proven to
//! be a value is one for all methods.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::shape;
use super::trie::{Ix, Method, Trie};
use super::words;

/// Up to here siblings are names unless their shape says otherwise.
const FEW: usize = 12;
/// Up to here they are names unless nearly all read as values.
const SOME: usize = 30;
/// Up to here they are names unless nearly every request brings a new one.
const NAMES_AT_MOST: usize = 40;
/// Above this only a majority of interface names speaks against values.
const MANY: usize = 64;

/// What was found out about the literal children of a node.
#[derive(Debug, Default)]
pub(super) struct Verdict<'a> {
    /// Those that are values of one placeholder.
    pub(super) values: BTreeSet<&'a str>,
    /// Their number, not their shape, shows it: further children will be values too.
    pub(super) open: bool,
}

/// Judges the literal children of a node.
pub(super) fn judge<'a>(trie: &Trie<'a>, at: Ix, sticky: &HashSet<u32>) -> Verdict<'a> {
    let children: Vec<Child<'a>> = trie.nodes[at]
        .literals
        .iter()
        .filter(|(text, _)| !text.is_empty())
        .map(|(text, ix)| Child::new(trie, text, *ix))
        .collect();
    if children.is_empty() {
        return Verdict::default();
    }
    let mut values: BTreeSet<&'a str> = children
        .iter()
        .filter(|c| {
            trie.nodes[c.ix]
                .ids
                .iter()
                .any(|(id, _)| sticky.contains(id))
        })
        .map(|c| c.text)
        .collect();
    values.extend(by_shape(&children));

    let named: Vec<&Child<'a>> = children
        .iter()
        .filter(|c| !values.contains(c.text) && !shape::is_version(c.text))
        .collect();
    let mut open = false;
    for method in 0..trie.methods.len() {
        let answered = named
            .iter()
            .filter(|c| c.fate(method) == Some(Fate::Answered));
        // Of merged positions (`/users/{id}/...`) a few may have reached it by their number alone.
        let node = &trie.nodes[at];
        let overflowed = node.overflowed > 0
            && node.overflowed * 2 >= node.ids.len()
            && answered.count() * 2 >= children.len();
        for fate in [Fate::Answered, Fate::NotFound] {
            let like: Vec<&Child<'a>> = named
                .iter()
                .copied()
                .filter(|c| c.fate(method) == Some(fate))
                // A 404 to GET says nothing of a path that POST has.
                .filter(|c| fate == Fate::Answered || !c.answered())
                .collect();
            let diverse = by_diversity(&like, method, overflowed);
            open |= fate == Fate::Answered && !diverse.is_empty();
            values.extend(diverse);
        }
    }
    if !values.is_empty() {
        let company = in_company(&children, &values, trie.methods.len());
        values.extend(company);
    }
    Verdict { values, open }
}

/// What became of a child's requests of one method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// At least one was answered with something else than 400, 404 or 405 (or is in flight).
    Answered,
    /// All were 400, 404 or 405, at least one of them from the program itself.
    NotFound,
    /// All were the router's own 404 or 405.
    Unrouted,
}

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Clone, Copy)]
enum Feature<'a> {
    /// Requests of this method end here.
    End(Method),
    /// Has this literal child.
    Literal(&'a str),
    /// Has a placeholder child.
    Wild,
}

#[derive(Debug)]
struct Child<'a> {
    text: &'a str,
    ix: Ix,
    requests: u64,
    fates: BTreeMap<Method, (Fate, u64)>,
    features: BTreeSet<Feature<'a>>,
}

impl<'a> Child<'a> {
    fn new(trie: &Trie<'a>, text: &'a str, ix: Ix) -> Child<'a> {
        let node = &trie.nodes[ix];
        let fates = node
            .below
            .iter()
            .map(|(method, below)| {
                let fate = if below.requests == 0 || below.not_found < below.requests {
                    Fate::Answered
                } else if below.unrouted < below.requests {
                    Fate::NotFound
                } else {
                    Fate::Unrouted
                };
                (*method, (fate, below.requests))
            })
            .collect();
        let features = node
            .ends
            .iter()
            .map(|method| Feature::End(*method))
            .chain(node.literals.keys().map(|text| Feature::Literal(text)))
            .chain(node.wild.or(node.catch_all).map(|_| Feature::Wild))
            .collect();
        Child {
            text,
            ix,
            requests: node.total().requests,
            fates,
            features,
        }
    }

    fn fate(&self, method: Method) -> Option<Fate> {
        self.fates.get(&method).map(|(fate, _)| *fate)
    }

    fn answered(&self) -> bool {
        self.fates.values().any(|(fate, _)| *fate == Fate::Answered)
    }

    /// Some method's requests got further than the router.
    fn routed(&self) -> bool {
        self.fates.values().any(|(fate, _)| *fate != Fate::Unrouted)
    }
}

/// Siblings whose shape is shared by enough others.
fn by_shape<'a>(children: &[Child<'a>]) -> BTreeSet<&'a str> {
    let shaped: Vec<(&Child<'a>, shape::Shape)> = children
        .iter()
        .filter_map(|c| Some((c, shape::of(c.text)?)))
        .collect();
    let mut fine: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut coarse: HashMap<&str, usize> = HashMap::new();
    for (_, s) in shaped.iter().filter(|(c, _)| c.routed()) {
        let group = fine.entry(&s.fine).or_insert((0, s.enough));
        group.0 += 1;
        group.1 = group.1.min(s.enough);
        *coarse.entry(&s.coarse).or_default() += 1;
    }
    // Where whole tokens are random (`9f8a7c`), one that happens to look like a word and a number, or
    // has no digit at all, is of the same kind.
    let proven = |s: &shape::Shape| {
        fine.get(s.fine.as_str())
            .is_some_and(|(n, enough)| n >= enough)
    };
    let random: BTreeSet<&str> = shaped
        .iter()
        .filter(|(_, s)| s.fine == s.coarse && proven(s))
        .map(|(_, s)| s.coarse.as_str())
        .chain(
            coarse
                .iter()
                .filter(|(_, n)| **n >= shape::ENOUGH_COARSE)
                .map(|(shape, _)| *shape),
        )
        .collect();
    let mut values: BTreeSet<&str> = shaped
        .iter()
        .filter(|(_, s)| proven(s) || random.contains(s.coarse.as_str()))
        .map(|(c, _)| c.text)
        .collect();
    values.extend(
        children
            .iter()
            .filter(|c| shape::hex_coarse(c.text).is_some_and(|s| random.contains(s.as_str())))
            .map(|c| c.text),
    );
    values
}

/// Siblings that are values because there are so many, so alike: all of `like` but those that stand out.
fn by_diversity<'a>(like: &[&Child<'a>], method: Method, overflowed: bool) -> Vec<&'a str> {
    if like.len() <= FEW && !overflowed {
        return Vec::new();
    }
    let profile = Profile::of(like);
    if !is_open(like, method, &profile, overflowed) {
        return Vec::new();
    }
    like.iter()
        .filter(|c| !profile.stands_out(c))
        .map(|c| c.text)
        .collect()
}

fn is_open(like: &[&Child], method: Method, profile: &Profile, overflowed: bool) -> bool {
    let n = like.len();
    let share =
        |test: &dyn Fn(&Child) -> bool| like.iter().filter(|c| test(c)).count() as f64 / n as f64;
    let names = share(&|c| words::is_interface_name(c.text));
    let values = share(&|c| shape::looks_like_value(c.text));
    let alike = share(&|c| profile.is_alike(c)) >= 0.9;
    let once = share(&|c| {
        c.fates
            .get(&method)
            .is_some_and(|(_, requests)| *requests <= 1)
    });
    let requests: u64 = like
        .iter()
        .filter_map(|c| c.fates.get(&method).map(|(_, requests)| *requests))
        .sum();
    if overflowed {
        return names < 0.5;
    }
    if n <= SOME {
        return values >= 0.8 && names < 0.1;
    }
    if n <= NAMES_AT_MOST {
        // Fewer than one request in three is for a sibling seen before: new ones keep coming.
        let new = once >= 0.7 && requests < (n + n / 2) as u64;
        return names < 0.2 && alike && (new || values >= 0.5);
    }
    if n <= MANY {
        return values >= 0.8 || (names < 0.2 && (alike || once >= 0.4));
    }
    names < 0.5
}

/// What most of a group of siblings have in common.
struct Profile<'a> {
    n: usize,
    count: HashMap<Feature<'a>, usize>,
    median_requests: u64,
}

impl<'a> Profile<'a> {
    fn of(like: &[&Child<'a>]) -> Profile<'a> {
        let mut count: HashMap<Feature<'a>, usize> = HashMap::new();
        for feature in like.iter().flat_map(|c| &c.features) {
            *count.entry(*feature).or_default() += 1;
        }
        let mut requests: Vec<u64> = like.iter().map(|c| c.requests).collect();
        requests.sort_unstable();
        Profile {
            n: like.len(),
            count,
            median_requests: requests.get(requests.len() / 2).copied().unwrap_or(0),
        }
    }

    fn count(&self, feature: &Feature<'a>) -> usize {
        self.count.get(feature).copied().unwrap_or(0)
    }

    /// All it has, one in ten has too (or three, in a small group).
    fn is_alike(&self, child: &Child<'a>) -> bool {
        let common = (self.n / 10).max(3);
        child.features.iter().all(|f| self.count(f) >= common)
    }

    /// It is no value of this group: a name every server has; a known action that is asked for more than
    /// a value is; or a subtree unlike all others. Few requests for a page of one user (`/users/bob/avatar`)
    /// must not set that user apart, hence the further conditions.
    fn stands_out(&self, child: &Child<'a>) -> bool {
        let busy = child.requests >= (3 * self.median_requests).max(4);
        if words::is_fixed(child.text) {
            return true;
        }
        let typical = child
            .features
            .iter()
            .any(|f| self.count(f) * 10 >= self.n * 6);
        // Only its own: at most itself and one in a hundred.
        let foreign: Vec<_> = child
            .features
            .iter()
            .filter(|f| self.count(f) <= 1 + self.n / 100)
            .collect();
        let below = foreign
            .iter()
            .filter(|f| !matches!(f, Feature::End(_)))
            .count();
        let differs = !typical && !foreign.is_empty();
        (differs && (below >= 2 || busy)) || (words::is_action(child.text) && (busy || differs))
    }
}

/// Siblings that share a method with values and stand among them: where at least half of a method's
/// answered siblings are values (of any method), its others are too, names excepted. So `DELETE /users/zed`
/// needs no evidence of its own. What was not found there was looked for among the values; even the router's
/// own answer is then the handler's (`http.NotFound`), for the router does match.
fn in_company<'a>(
    children: &[Child<'a>],
    values: &BTreeSet<&'a str>,
    methods: usize,
) -> Vec<&'a str> {
    let mut company = Vec::new();
    for method in 0..methods {
        let answered: Vec<&Child<'a>> = children
            .iter()
            .filter(|c| c.fate(method) == Some(Fate::Answered))
            .collect();
        // Values by shape alone say nothing about siblings of another shape (`/images/upload` beside
        // `/images/img_0001.png`).
        let inside = answered.iter().filter(|c| values.contains(c.text));
        let unshaped = inside.clone().filter(|c| shape::of(c.text).is_none());
        if unshaped.count() < 2 || inside.count() * 2 < answered.len() {
            continue;
        }
        let profile = Profile::of(&answered);
        let belongs = |c: &&Child<'a>| match c.fate(method) {
            None => false,
            Some(Fate::Unrouted) => !c.routed(),
            Some(Fate::NotFound) if c.answered() => false,
            Some(Fate::Answered | Fate::NotFound) => {
                !shape::is_version(c.text)
                    && !words::is_interface_name(c.text)
                    && !profile.stands_out(c)
            }
        };
        company.extend(children.iter().filter(belongs).map(|c| c.text));
    }
    company
}
