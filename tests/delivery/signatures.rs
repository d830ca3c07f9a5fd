//! Signatures as the verifier checks them that the authors of Standard Webhooks publish.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use sidecar::deliver::{SigningSecret, Webhook};
use sidecar::record::Callback::Ingested;
use standardwebhooks::Webhook as Verifier;

use crate::delivery::fixture::{Setup, webhook};
use crate::delivery::receiver::{Received, Receiver, Reply};

/// 24 random bytes as base64, as Svix makes them.
const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#[test]
fn every_attempt_verifies_with_each_secret_and_with_no_other() {
    let receiver = Receiver::start(vec![Reply::Answer(500, "", "")]);
    let secrets = [NEW, OLD].map(|secret| SigningSecret::parse(secret).unwrap()).to_vec();
    let mut fixture = Setup::new([Webhook { secrets, ..webhook(&receiver.url()) }]).start();
    // Not only ASCII: the bytes are signed, whatever they mean.
    fixture.spool(Ingested, &["a", "ü\"\\"]);
    let requests = receiver.wait_for(2);
    for request in &requests {
        let (headers, body) = (headers(request), request.body.as_bytes());
        for secret in [NEW, OLD] {
            Verifier::new(secret).unwrap().verify(body, &headers).unwrap();
        }
        assert!(Verifier::from_bytes(b"another".to_vec()).unwrap().verify(body, &headers).is_err());
        let changed = request.body.replacen('a', "b", 1);
        assert!(Verifier::new(NEW).unwrap().verify(changed.as_bytes(), &headers).is_err());
    }
}

#[test]
fn a_secret_that_is_no_base64_signs_with_its_bytes() {
    let receiver = Receiver::start([]);
    let secrets = vec![SigningSecret::parse("correct horse").unwrap()];
    let mut fixture = Setup::new([Webhook { secrets, ..webhook(&receiver.url()) }]).start();
    fixture.spool(Ingested, &["a"]);
    let [request] = &receiver.wait_for(1)[..] else { panic!("one request") };
    let verifier = Verifier::from_bytes(b"correct horse".to_vec()).unwrap();
    verifier.verify(request.body.as_bytes(), &headers(request)).unwrap();
}

fn headers(request: &Received) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
    };
    request.headers.iter().map(header).collect()
}
