//! The page between a button and what it does: it says what will happen, and asks. Pure.

use askama::Template;

use super::texts as t;
use super::times::Fact;

/// Asks before something is done. Its form is sent to the address of the page itself.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct Confirm {
    pub(super) title: String,
    /// What will happen, a paragraph each.
    pub(super) sentences: Vec<String>,
    /// Each as its name and what it is.
    pub(super) facts: Vec<(&'static str, Fact)>,
    pub(super) button: String,
    /// It destroys something.
    pub(super) is_danger: bool,
    pub(super) is_allowed: bool,
    /// There is something to do.
    pub(super) is_possible: bool,
    /// Where to go instead.
    pub(super) back: String,
}
