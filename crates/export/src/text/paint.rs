//! Colour, or none. Four meanings, no more: what to read first, what is bad, what to mind, what to skip.

/// Paints when told so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    fn sgr(self, code: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Names and titles.
    pub(crate) fn strong(self, text: &str) -> String {
        self.sgr("1", text)
    }

    /// Errors.
    pub(crate) fn bad(self, text: &str) -> String {
        self.sgr("31", text)
    }

    /// Warnings.
    pub(crate) fn mind(self, text: &str) -> String {
        self.sgr("33", text)
    }

    /// What is there for completeness.
    pub(crate) fn dim(self, text: &str) -> String {
        self.sgr("2", text)
    }
}
