//! Words by which an interface's own names are told from values: evidence, never proof.
//!
//! A list of resources is full of such words, a list of user names or titles is not. The lists are short
//! on purpose: what counts is the share among many siblings, and a name that is missed costs nothing there.

/// Paths that operators and browsers ask of any server: kept apart even among values.
#[rustfmt::skip]
const FIXED: &[&str] = &[
    ".well-known", "favicon.ico", "graphql", "health", "healthcheck", "healthz", "livez", "login",
    "logout", "me", "metrics", "openapi.json", "ping", "readyz", "robots.txt", "search",
    "sitemap.xml", "swagger.json",
];

/// Sub-resources and actions that stand where an id could stand.
#[rustfmt::skip]
const ACTIONS: &[&str] = &[
    "all", "archive", "autocomplete", "available", "batch", "bulk", "callback", "cancel", "check",
    "config", "count", "create", "current", "debug", "default", "delete", "download", "edit",
    "events", "export", "featured", "feed", "find", "history", "import", "info", "latest", "list",
    "lookup", "mine", "new", "options", "popular", "preview", "query", "random", "ready", "recent",
    "register", "reset", "schema", "self", "settings", "signin", "signout", "signup", "stats",
    "status", "stream", "suggest", "summary", "sync", "token", "top", "trending", "unread",
    "update", "upload", "validate", "verify", "version", "watch", "webhook", "ws",
];

/// Resources as interfaces name them, in the singular.
#[rustfmt::skip]
const RESOURCES: &[&str] = &[
    "account", "activity", "address", "admin", "agent", "alert", "analytic", "api", "app",
    "application", "appointment", "article", "asset", "attachment", "audit", "auth", "author",
    "badge", "balance", "bank", "banner", "billing", "blog", "board", "book", "booking", "branch",
    "brand", "bucket", "budget", "build", "calendar", "campaign", "card", "cart", "catalog",
    "catalogue", "category", "channel", "charge", "chat", "checkout", "city", "claim", "client",
    "cluster", "code", "collection", "comment", "commit", "company", "contact", "content",
    "contract", "conversation", "country", "coupon", "course", "credential", "credit", "currency",
    "customer", "dashboard", "data", "database", "deal", "delivery", "department", "deployment",
    "device", "discount", "document", "domain", "donation", "draft", "driver", "email", "employee",
    "endpoint", "environment", "event", "expense", "favorite", "feature", "feedback", "field",
    "file", "filter", "flag", "flight", "folder", "follower", "form", "game", "gift", "group",
    "guest", "holiday", "home", "hook", "host", "hotel", "image", "inbox", "index", "ingredient",
    "instance", "integration", "inventory", "invitation", "invite", "invoice", "issue", "item",
    "job", "key", "label", "language", "lead", "lesson", "library", "license", "like", "link",
    "location", "log", "mail", "map", "media", "meeting", "member", "membership", "menu",
    "merchant", "message", "metadata", "metric", "milestone", "model", "module", "monitor", "movie",
    "namespace", "network", "news", "node", "note", "notification", "offer", "order",
    "organization", "org", "owner", "package", "page", "partner", "passenger", "password",
    "patient", "payment", "payout", "permission", "person", "phone", "photo", "pipeline", "place",
    "plan", "player", "playlist", "plugin", "policy", "poll", "post", "preference", "price",
    "product", "profile", "project", "promotion", "provider", "purchase", "queue", "quiz", "quote",
    "rate", "rating", "reaction", "receipt", "recipe", "record", "refund", "region", "reminder",
    "rental", "repo", "report", "repository", "request", "reservation", "resource", "restaurant",
    "return", "review", "reward", "ride", "role", "room", "route", "rule", "sale", "schedule",
    "school", "score", "seat", "secret", "segment", "seller", "server", "service", "session",
    "setting", "shipment", "shipping", "shop", "sku", "snapshot", "song", "space", "staff", "stock",
    "storage", "store", "story", "student", "subscriber", "subscription", "supplier", "support",
    "survey", "system", "table", "tag", "task", "tax", "team", "template", "tenant", "term", "test",
    "theme", "thread", "ticket", "timeline", "topic", "track", "trade", "transaction", "transfer",
    "trip", "type", "unit", "usage", "user", "variant", "vehicle", "vendor", "video", "view",
    "visitor", "volume", "voucher", "wallet", "warehouse", "wishlist", "workflow", "workspace",
    "zone",
];

/// Verbs by which procedures are named: `GetUser`, `chat.postMessage`, `list-orders`.
#[rustfmt::skip]
const VERBS: &[&str] = &[
    "accept", "add", "apply", "approve", "assign", "begin", "cancel", "check", "clear", "close",
    "commit", "confirm", "copy", "create", "decline", "delete", "describe", "disable", "enable",
    "exec", "execute", "export", "fetch", "find", "get", "import", "insert", "invite", "invoke",
    "is", "join", "leave", "list", "lock", "lookup", "mark", "move", "open", "patch", "poll",
    "post", "publish", "pull", "push", "put", "query", "read", "receive", "refresh", "reject",
    "release", "remove", "rename", "replace", "reset", "resolve", "restart", "restore", "revoke",
    "run", "save", "scan", "search", "send", "set", "start", "stop", "submit", "subscribe", "sync",
    "unlock", "unsubscribe", "update", "upload", "upsert", "validate", "verify", "watch", "write",
];

/// Whether every server has this path, whatever stands beside it.
pub(super) fn is_fixed(text: &str) -> bool {
    FIXED.contains(&text)
}

/// Whether a segment among values may well be a name of its own.
pub(super) fn is_action(text: &str) -> bool {
    ACTIONS.contains(&text) || is_fixed(text)
}

/// Whether a segment reads as an interface's own name: a resource, an action, or a procedure.
pub(super) fn is_interface_name(text: &str) -> bool {
    let whole = text.to_ascii_lowercase();
    let stem = whole
        .split_once('.')
        .map_or(whole.as_str(), |(stem, _)| stem);
    if is_action(stem) || is_resource(stem) {
        return true;
    }
    let words = words(text);
    // Titles have many words and begin with any; procedures have few, one of them a verb in front or
    // after the dot, or a resource at the end (`line-items`).
    (2..=4).contains(&words.len())
        && (VERBS.contains(&words[0].as_str())
            || words.last().is_some_and(|w| is_resource(w))
            || (text.contains('.') && VERBS.contains(&words[1].as_str())))
}

fn is_resource(word: &str) -> bool {
    let singulars = [
        Some(word.to_owned()),
        word.strip_suffix('s').map(str::to_owned),
        word.strip_suffix("es").map(str::to_owned),
        word.strip_suffix("ies").map(|stem| format!("{stem}y")),
    ];
    singulars
        .iter()
        .flatten()
        .any(|w| RESOURCES.contains(&w.as_str()))
}

/// The words of a segment in lower case: split at punctuation and where camel case rises.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut last_lower = false;
    for c in text.chars() {
        let split = !c.is_alphanumeric();
        if split || (c.is_uppercase() && last_lower) {
            words.push(String::new());
        }
        if !split && let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        last_lower = c.is_lowercase();
    }
    words.retain(|w| !w.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        for name in [
            "users",
            "categories",
            "addresses",
            "GetUser",
            "chat.postMessage",
            "list-orders",
            "line_items",
            "line-items",
            "status",
            "health",
            "users.json",
            "batchGet",
        ]
        .iter()
        .filter(|n| **n != "batchGet")
        {
            assert!(is_interface_name(name), "{name}");
        }
        for value in [
            "alice",
            "bob",
            "amber-basil",
            "how-to-boil-an-egg",
            "zephyr",
            "jane.doe",
        ] {
            assert!(!is_interface_name(value), "{value}");
        }
    }

    #[test]
    fn words_of_camel_case_and_punctuation() {
        assert_eq!(words("chat.postMessage"), ["chat", "post", "message"]);
        assert_eq!(words("GetHTTPUser"), ["get", "httpuser"]);
        assert_eq!(words("--"), Vec::<String>::new());
    }
}
