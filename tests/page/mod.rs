//! The page, in a browser.

mod browser;
mod deliveries;
mod fixture;
mod overview;
mod webhooks;
