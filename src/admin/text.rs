//! Texts of tenants and receivers, made fit for a terminal and for a line of a log. Pure.

use std::fmt::Write as _;

/// In one line: line breaks and tabs are escaped too.
pub fn plain(text: &str) -> String {
    escaped(text, |letter| letter.is_control() || is_unseen(letter), by_number)
}

/// Of several lines.
pub fn lines(text: &str) -> String {
    let acts = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t') || is_unseen(letter);
    escaped(text, acts, by_number)
}

/// JSON that is JSON as before. Within a string nothing else but these stands unescaped, and outside of
/// one there is nothing of them.
pub fn json(text: &str) -> String {
    let acts =
        |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t') || is_unseen(letter);
    escaped(text, acts, |out, letter| {
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

/// JSON, a value a line, whatever its strings and numbers hold.
pub fn pretty_json(text: &str) -> String {
    let (mut out, mut depth, mut letters) =
        (String::with_capacity(text.len() * 2), 0_usize, text.chars().peekable());
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth.min(INDENT_MAX)));
    };
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                out.push('"');
                while let Some(inner) = letters.next() {
                    out.push(inner);
                    match inner {
                        '\\' => out.extend(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                out.push(letter);
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            blank if blank.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    json(&out)
}

fn escaped(text: &str, acts: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if acts(letter) {
            escape(&mut out, letter);
        } else {
            out.push(letter);
        }
    }
    out
}

fn by_number(out: &mut String, letter: char) {
    let _ = write!(out, "{}", letter.escape_default());
}

/// Turns the direction of what follows, is not seen, or breaks a line somewhere.
/// <https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>
fn is_unseen(letter: char) -> bool {
    matches!(letter,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Deeper values are not moved further to the right.
const INDENT_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal_any_more() {
        let acting: String =
            (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| c.is_control() || is_unseen(*c)).collect();
        assert!(acting.chars().count() > 200);
        for made in [plain(&acting), lines(&acting), json(&acting)] {
            let left: String = made
                .chars()
                .filter(|c| !matches!(c, '\n' | '\r' | '\t'))
                .filter(|c| c.is_control() || is_unseen(*c))
                .collect();
            assert_eq!(left, "");
        }
        assert_eq!(plain("a\u{1b}[31m\nb\u{202e}c é 漢 👍"), "a\\u{1b}[31m\\nb\\u{202e}c é 漢 👍");
        assert_eq!(lines("a\u{7}\nb"), "a\\u{7}\nb");
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = "{\"a\u{202e}\u{e0041}\u{9b}\":[1e999,-0.0,{},[],{\"b\":[ ]},\"\\ud800 \\\" \\\\\",true],\n \"c\" : null}";
        let pretty = pretty_json(text);
        assert!(
            pretty.contains("1e999")
                && pretty.contains(r"\ud800")
                && pretty.contains(r"\u202e\udb40\udc41\u009b"),
            "{pretty}"
        );
        let valid = |text: &str| serde_json::from_str::<Box<serde_json::value::RawValue>>(text).is_ok();
        assert!(valid(text) && valid(&pretty), "{pretty}");
        let plain = "{\"a\":[1,{\"b\":\"x, y: {z}\"}],\"c\":{}}";
        let value: serde_json::Value = serde_json::from_str(plain).unwrap();
        assert_eq!(pretty_json(plain), format!("{value:#}"));
    }
}
