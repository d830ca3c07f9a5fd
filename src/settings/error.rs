//! Errors in settings, by path.

/// One invalid setting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct SettingError {
    /// The path from the section on: `webhook`, `0`, `url`.
    pub(super) path: Vec<String>,
    /// What is wrong.
    pub(super) why: String,
}

/// All invalid settings.
#[derive(Debug, Default)]
pub(super) struct SettingErrors(pub(super) Vec<SettingError>);

impl SettingErrors {
    pub(super) fn note(&mut self, field: &str, why: impl std::fmt::Display) {
        self.0.push(SettingError { path: path(field), why: why.to_string() });
    }

    pub(super) fn or<T>(&mut self, field: &str, checked: Result<T, impl std::fmt::Display>) -> Option<T> {
        checked.map_err(|why| self.note(field, why)).ok()
    }
}

/// `webhook[0].headers.x.y` → `webhook`, `0`, `headers`, `x.y`: a header's name may contain dots.
fn path(field: &str) -> Vec<String> {
    let of_list = |(section, rest): (&str, &str)| {
        let (at, name) = rest.split_once("].")?;
        Some([section, at].into_iter().chain(name.splitn(2, '.')).map(str::to_owned).collect())
    };
    match field.split_once('[').and_then(of_list) {
        Some(path) => path,
        None => field.split('.').map(str::to_owned).collect(),
    }
}

pub(super) fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
