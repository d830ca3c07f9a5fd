//! The JSON schemas that are published for the bodies of requests.

use serde_json::Value;
use sidecar::admin::body_schema;
use sidecar::record::Callback;

use super::receiver::Received;

/// Every body that was received is as its schema says.
pub fn assert_bodies_fit(received: &[Received]) {
    let validators = Callback::ALL.map(|callback| (callback, validator(callback)));
    for request in received {
        let (_, validator) =
            validators.iter().find(|(callback, _)| callback.name() == request.callback()).unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        if let Err(error) = validator.validate(&body) {
            panic!("{} of {}: {error}: {body}", request.callback(), request.project());
        }
    }
}

pub fn validator(callback: Callback) -> jsonschema::Validator {
    let schema = body_schema(callback);
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}
