//! The page, in a browser.

mod browser;
mod fixture;
mod overview;
mod webhooks;
