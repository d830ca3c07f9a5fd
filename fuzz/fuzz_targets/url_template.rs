//! Any text as a URL, filled in for any project: the authority is never that of another.

#![no_main]

use sidecar::deliver::UrlTemplate;
use sidecar::record::Callback;

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (text, project) = input;
    let Ok(template) = UrlTemplate::parse(text, |text| text.parse().map_err(|_| String::new())) else { return };
    let url = template.fill(project, Callback::Modified);
    assert_eq!(url.authority(), template.uri().authority());
    assert_eq!(url.scheme(), template.uri().scheme());
});
