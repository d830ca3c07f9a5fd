//! The JSON schemas of the bodies that receivers get. They are written by hand, as the bodies are. Pure.

use serde_json::{Value, json};

use crate::record::Callback;

/// The JSON schema (2020-12) of the body that the webhooks of `callback` get.
pub fn body_schema(callback: Callback) -> Value {
    serde_json::from_str(match callback {
        Callback::Excluded => include_str!("bodies/excluded.json"),
        Callback::Ingested => include_str!("bodies/ingested.json"),
        Callback::Modified => include_str!("bodies/modified.json"),
    })
    .unwrap_or_default()
}

/// Its name among the schemas of the description.
pub(super) fn name(callback: Callback) -> &'static str {
    match callback {
        Callback::Excluded => "ExcludedBody",
        Callback::Ingested => "IngestedBody",
        Callback::Modified => "ModifiedBody",
    }
}

/// The same schema as a part of the description.
pub(super) fn component(callback: Callback) -> Value {
    let mut schema = body_schema(callback);
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("$schema");
    }
    schema
}

/// A reference to it.
pub(super) fn reference(callback: Callback) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", name(callback)) })
}
