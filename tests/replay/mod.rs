//! What was sent is sent again from a place or time on, and what was given up once more.

mod bulk;
mod dead_letters;
mod deliveries;
mod documents;
mod faults;
mod fixture;
mod pages;
mod ranges;
mod window;
