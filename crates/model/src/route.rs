//! Route templates: those the user gives (`--route`) and those learned from the router.
//!
//! The user's are checked strictly, for a mistyped route would silently match nothing. The router's are
//! taken as they are, in whatever syntax it has. Which endpoint wins is decided by [`best`] alone.

use std::sync::Arc;

use crate::input::NodeKind;

/// A route the user gave cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// It has no leading slash (perhaps a host stands before it).
    #[error("route `{0}`: the path must start with `/`, as in `/api/users/{{id}}`")]
    NoSlash(String),
    /// What stands before the path is no verb.
    #[error("route `{route}`: `{method}` is not an HTTP method")]
    BadMethod {
        /// The whole route.
        route: String,
        /// What was taken for its method.
        method: String,
    },
    /// A brace is not closed, not opened, or nested.
    #[error("route `{route}`: unbalanced braces in `{segment}`")]
    Unbalanced {
        /// The whole route.
        route: String,
        /// The segment at fault.
        segment: String,
    },
    /// A placeholder is only a part of a segment.
    #[error("route `{route}`: in `{segment}` the placeholder must be the whole segment")]
    NotWhole {
        /// The whole route.
        route: String,
        /// The segment at fault.
        segment: String,
    },
    /// A placeholder's name is empty or no name.
    #[error("route `{route}`: `{segment}` is not a placeholder; write `{{id}}` or `{{path...}}`")]
    BadName {
        /// The whole route.
        route: String,
        /// The segment at fault.
        segment: String,
    },
    /// `{path...}` or `{$}` is not at the end.
    #[error("route `{route}`: `{segment}` can only be the last segment")]
    NotLast {
        /// The whole route.
        route: String,
        /// The segment at fault.
        segment: String,
    },
    /// Two slashes follow each other.
    #[error("route `{0}` has an empty segment (`//`)")]
    EmptySegment(String),
    /// It holds a query, a fragment, a space or a control character.
    #[error("route `{route}`: `{character}` cannot be part of a path here")]
    BadCharacter {
        /// The whole route.
        route: String,
        /// What must not be there, escaped.
        character: String,
    },
}

/// One segment of a template. The order is that of precedence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Seg {
    /// This text; `""` after a trailing slash.
    Literal(String),
    /// A part of the segment varies: what is before and after it.
    Affix(String, String),
    /// Any segment that is not empty.
    Any,
    /// One or more segments, empty ones too.
    Rest,
}

impl Seg {
    fn rank(&self) -> u8 {
        match self {
            Seg::Literal(_) => 0,
            Seg::Affix(..) => 1,
            Seg::Any => 2,
            Seg::Rest => 3,
        }
    }
}

/// A route template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    method: Option<String>,
    template: Arc<str>,
    segments: Vec<Seg>,
}

impl Route {
    /// Parses what a user gave: `/api/users/{id}`, `/static/{path...}`, `/{$}`, each with or without a
    /// method in front (`GET /x`), as Go's ServeMux has it.
    ///
    /// # Errors
    /// [`RouteError`] says what is wrong with which segment.
    pub fn parse(text: &str) -> Result<Route, RouteError> {
        let route = text.trim();
        let (method, path) = split_method(route);
        if let Some(method) = method
            && !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
        {
            return Err(RouteError::BadMethod {
                route: route.to_owned(),
                method: method.to_owned(),
            });
        }
        let Some(rest) = path.strip_prefix('/') else {
            return Err(RouteError::NoSlash(route.to_owned()));
        };
        let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#');
        if let Some(c) = path.chars().find(|c| bad(*c)) {
            return Err(RouteError::BadCharacter {
                route: route.to_owned(),
                character: c.escape_debug().to_string(),
            });
        }
        let texts: Vec<&str> = rest.split('/').collect();
        let mut segments = Vec::with_capacity(texts.len());
        for (i, text) in texts.iter().enumerate() {
            let last = i + 1 == texts.len();
            segments.push(user_segment(route, text, last)?);
        }
        Ok(Route {
            method: method.map(str::to_owned),
            template: path.strip_suffix("{$}").unwrap_or(path).into(),
            segments,
        })
    }

    /// Takes a template as a router has it: ServeMux, chi and gorilla (`{id}`, `{id:[0-9]+}`, `{path...}`,
    /// `*`), gin, echo and httprouter (`:id`, `*path`). Nothing is an error: what is not understood is
    /// literal text, and then only the leaf it was learned from bears it.
    pub(crate) fn learned(text: &str, leaf_segments: usize) -> Route {
        let (method, path) = split_method(text.trim());
        // ServeMux patterns may begin with a host.
        let path = path.find('/').map_or(path, |at| &path[at..]);
        let rest = path.strip_prefix('/').unwrap_or(path);
        let mut segments: Vec<Seg> = split_braced(rest).into_iter().map(router_segment).collect();
        // ServeMux's `/static/` serves all below it; that it is such a pattern shows in the leaf having
        // more segments. `/` alone would take everything, so it stays with its own leaves.
        if leaf_segments > segments.len()
            && segments.len() > 1
            && segments.last() == Some(&Seg::Literal(String::new()))
        {
            segments.pop();
            segments.push(Seg::Rest);
        }
        Route {
            method: method.map(str::to_owned),
            template: normal(path.strip_suffix("{$}").unwrap_or(path)).into(),
            segments,
        }
    }

    /// The template as output shows it, without the method.
    pub fn template(&self) -> &Arc<str> {
        &self.template
    }

    /// The verb it is for; `None` for all.
    pub fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The literal text of every segment, `None` where it varies: what a tracer must not cluster away.
    /// The second value says whether it ends in a catch-all.
    pub fn literals(&self) -> (Vec<Option<&str>>, bool) {
        let texts = self
            .segments
            .iter()
            .filter(|seg| **seg != Seg::Rest)
            .map(|seg| match seg {
                Seg::Literal(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        (texts, self.segments.last() == Some(&Seg::Rest))
    }

    pub(crate) fn with_method(mut self, method: &str) -> Route {
        self.method.get_or_insert_with(|| method.to_owned());
        self
    }

    /// The route as it stands for a whole path: itself, or under the literal prefix that a router before it has
    /// taken off; `None` where it fits neither way.
    pub(crate) fn for_path(self, method: &str, path: &[(NodeKind, &str)]) -> Option<Route> {
        if self.could_match(method, path) {
            return Some(self);
        }
        let prefix = (1..path.len())
            .take_while(|&n| path[n - 1].0 == NodeKind::Literal && !path[n - 1].1.is_empty())
            .find(|&n| self.could_match(method, &path[n..]))?;
        let before: Vec<&str> = path[..prefix].iter().map(|(_, text)| *text).collect();
        let segments = before
            .iter()
            .map(|text| Seg::Literal((*text).to_owned()))
            .chain(self.segments)
            .collect();
        Some(Route {
            method: self.method,
            template: format!("/{}{}", before.join("/"), self.template).into(),
            segments,
        })
    }

    /// Like [`Route::matches`], but what the kernel side has merged may have been anything.
    fn could_match(&self, method: &str, path: &[(NodeKind, &str)]) -> bool {
        if self.method.as_deref().is_some_and(|m| m != method) {
            return false;
        }
        let mut rest = path.iter();
        for seg in &self.segments {
            if *seg == Seg::Rest {
                return true;
            }
            match (seg, rest.next()) {
                (_, None) => return false,
                (_, Some((NodeKind::CatchAll, _))) => return true,
                (Seg::Literal(literal), Some((NodeKind::Literal, text))) if literal != text => {
                    return false;
                }
                _ => {}
            }
        }
        rest.next().is_none()
    }

    fn matches(&self, method: &str, path: &[(NodeKind, &str)]) -> bool {
        if self.method.as_deref().is_some_and(|m| m != method) {
            return false;
        }
        let mut path = path.iter();
        for seg in &self.segments {
            if *seg == Seg::Rest {
                return path.len() > 0;
            }
            let Some((kind, text)) = path.next() else {
                return false;
            };
            let fits = match (seg, kind) {
                (_, NodeKind::CatchAll | NodeKind::Method) => false,
                (Seg::Any, NodeKind::Wild) => true,
                (_, NodeKind::Wild) => false,
                (Seg::Any, NodeKind::Literal) => !text.is_empty(),
                (Seg::Literal(literal), NodeKind::Literal) => literal == text,
                (Seg::Affix(before, after), NodeKind::Literal) => {
                    text.len() > before.len() + after.len()
                        && text.starts_with(before.as_str())
                        && text.ends_with(after.as_str())
                }
                (Seg::Rest, NodeKind::Literal) => true,
            };
            if !fits {
                return false;
            }
        }
        path.len() == 0
    }

    /// Smaller is more specific: with a method before without, then by the first segment that differs:
    /// literal, part of a segment, placeholder, catch-all.
    fn precedence(&self) -> impl Ord {
        let ranks: Vec<u8> = self.segments.iter().map(Seg::rank).collect();
        (ranks, self.method.is_none())
    }
}

/// The most specific of the routes that match; of equals the first.
pub(crate) fn best<'r>(
    routes: &'r [Route],
    method: &str,
    path: &[(NodeKind, &str)],
) -> Option<&'r Route> {
    routes
        .iter()
        .filter(|route| route.matches(method, path))
        .min_by_key(|route| route.precedence())
}

fn split_method(text: &str) -> (Option<&str>, &str) {
    match text.split_once([' ', '\t']) {
        Some((method, path)) if !method.contains('/') => (Some(method), path.trim_start()),
        _ => (None, text),
    }
}

fn user_segment(route: &str, text: &str, last: bool) -> Result<Seg, RouteError> {
    let route = || route.to_owned();
    let segment = || text.to_owned();
    let (opening, closing) = (text.matches('{').count(), text.matches('}').count());
    if opening == 0 && closing == 0 {
        return if text.is_empty() && !last {
            Err(RouteError::EmptySegment(route()))
        } else {
            Ok(Seg::Literal(segment()))
        };
    }
    let in_order = text.find('{') < text.find('}');
    if opening != closing || !in_order {
        return Err(RouteError::Unbalanced {
            route: route(),
            segment: segment(),
        });
    }
    let inner = match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        Some(inner) if opening == 1 => inner,
        _ => {
            return Err(RouteError::NotWhole {
                route: route(),
                segment: segment(),
            });
        }
    };
    let (name, seg) = match (inner, inner.strip_suffix("...")) {
        ("$", _) => ("$", Seg::Literal(String::new())),
        (_, Some(name)) => (name, Seg::Rest),
        (name, None) => (name, Seg::Any),
    };
    if seg != Seg::Any && !last {
        return Err(RouteError::NotLast {
            route: route(),
            segment: segment(),
        });
    }
    let named = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if name != "$" && !named {
        return Err(RouteError::BadName {
            route: route(),
            segment: segment(),
        });
    }
    Ok(seg)
}

/// Splits at slashes outside of braces: `{path:[^/]+}` is one segment.
fn split_braced(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'/' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// A router's template as every output has it, whatever the router: `{id}` for a segment, `{path...}` for the rest.
fn normal(path: &str) -> String {
    let rest = path.strip_prefix('/').unwrap_or(path);
    let segments: Vec<String> = split_braced(rest).into_iter().map(normal_segment).collect();
    format!("/{}", segments.join("/"))
}

/// The name of a gorilla segment that takes all that follows: `{path:.*}`.
fn everything(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let (name, expression) = inner.split_once(':')?;
    matches!(expression, ".*" | ".+").then_some(name)
}

fn normal_segment(text: &str) -> String {
    if let Some(name) = everything(text) {
        return format!("{{{name}...}}");
    }
    if let Some(name) = text.strip_prefix('*') {
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
        return format!("{{{}...}}", if name.is_empty() { "path" } else { name });
    }
    if let Some(name) = text.strip_prefix(':').filter(|n| !n.is_empty()) {
        // fiber: optional (`:id?`), constrained (`:id<int>`).
        let end = name
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(name.len());
        return format!("{{{}}}", &name[..end]);
    }
    // chi and gorilla: `{id:[0-9]+}`; the expression may have braces of its own.
    let mut out = String::new();
    let (mut depth, mut skip) = (0usize, false);
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ':' if depth == 1 => skip = true,
            _ => {}
        }
        if depth == 0 && c == '}' {
            skip = false;
        }
        if !skip {
            out.push(c);
        }
    }
    out
}

fn router_segment(text: &str) -> Seg {
    if text == "{$}" {
        return Seg::Literal(String::new());
    }
    if text.starts_with('*') || (text.starts_with('{') && text.ends_with("...}")) {
        return Seg::Rest;
    }
    if everything(text).is_some() {
        return Seg::Rest;
    }
    if text.len() > 1 && text.starts_with(':') {
        return Seg::Any;
    }
    match (text.find('{'), text.rfind('}')) {
        (Some(open), Some(close)) if open < close => {
            let (before, after) = (&text[..open], &text[close + 1..]);
            if before.is_empty() && after.is_empty() {
                Seg::Any
            } else {
                Seg::Affix(before.to_owned(), after.to_owned())
            }
        }
        _ => Seg::Literal(text.to_owned()),
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
