//! The page, in a browser.

mod base_path;
mod browser;
mod demo;
mod fixture;
mod forms;
mod overview;
mod shots;
mod webhooks;
