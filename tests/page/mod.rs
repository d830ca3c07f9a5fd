//! The page, in a browser.

mod base_path;
mod browser;
mod deliveries;
mod demo;
mod fixture;
mod forms;
mod overview;
mod shots;
mod webhooks;
