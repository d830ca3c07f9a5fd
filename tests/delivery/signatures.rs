//! Signatures as the verifiers check them that the authors of Standard Webhooks publish, in three languages.

use std::process::{Command, Stdio};
use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};
use sidecar::deliver::{SigningSecret, Webhook};
use sidecar::record::Callback::Ingested;
use sidecar::time::Timestamp;
use standardwebhooks::Webhook as Verifier;

use crate::delivery::fixture::{Setup, webhook};
use crate::delivery::receiver::{Received, Receiver, Reply};
use crate::delivery::verifiers;

/// 24 random bytes as base64, as Svix makes them.
const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// An Ed25519 key.
const PRIVATE: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxXl7MmkZcDusAxyuf2A=";

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

#[test]
fn the_libraries_of_python_and_node_verify_each_form_of_a_secret() {
    let forms = [
        NEW,
        "v1,whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_--__AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw",
        "a text with blanks, of more than 24 bytes",
        "kürzer",
        &"long ".repeat(100),
    ];
    let mut requests = Vec::new();
    for form in forms {
        let secret = SigningSecret::parse(form).unwrap();
        let request = signed_by(vec![secret.clone()]);
        requests.push((true, case(&secret, &request, &request.body)));
        requests.push((false, case(&secret, &request, &request.body.replacen('a', "b", 1))));
        requests.push((false, case(&SigningSecret::parse(OLD).unwrap(), &request, &request.body)));
    }
    // During a rotation each of both is enough, also beside a signature of another version.
    let rotated = [NEW, OLD, PRIVATE].map(|secret| SigningSecret::parse(secret).unwrap());
    let request = signed_by(rotated.to_vec());
    requests.extend(rotated.iter().take(2).map(|secret| (true, case(secret, &request, &request.body))));
    check(&mut verifiers::python(), &requests);
    check(&mut verifiers::node(), &requests);
}

#[test]
fn a_signature_by_ed25519_is_verified_with_the_public_key_alone() {
    let secret = SigningSecret::parse(PRIVATE).unwrap();
    let request = signed_by(vec![secret.clone(), SigningSecret::parse(NEW).unwrap()]);
    let other = SigningSecret::parse(&format!("whsk_{}", "A".repeat(43))).unwrap();
    let requests = [
        (true, case(&secret, &request, &request.body)),
        (false, case(&secret, &request, &request.body.replacen('a', "b", 1))),
        (false, case(&other, &request, &request.body)),
    ];
    check(&mut verifiers::node(), &requests);
}

#[test]
fn a_secret_signs_until_its_end() {
    let now = sidecar::clock::Clock::now();
    let [new, old] = [NEW, OLD].map(|secret| SigningSecret::parse(secret).unwrap());
    let signatures = |end: Timestamp| {
        let request = signed_by(vec![new.clone(), old.clone().until(end)]);
        request.header("webhook-signature").unwrap().split(' ').count()
    };
    assert_eq!(signatures(now.plus(Duration::from_hours(1))), 2);
    assert_eq!(signatures(now), 1);
}

/// A request as these secrets sign it.
fn signed_by(secrets: Vec<SigningSecret>) -> Received {
    let receiver = Receiver::start([]);
    let mut fixture = Setup::new([Webhook { secrets, ..webhook(&receiver.url()) }]).start();
    fixture.spool(Ingested, &["a", "ü\"\\"]);
    receiver.wait_for(1).remove(0)
}

/// What a receiver has: its form of the secret, headers, and body.
fn case(secret: &SigningSecret, request: &Received, body: &str) -> Value {
    let headers: Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    json!({ "secret": secret.for_receiver().expose().as_str(), "headers": headers, "body": body })
}

/// Whether the verifier finds valid what is, and nothing else.
fn check(verifier: &mut Command, requests: &[(bool, Value)]) {
    let cases: Vec<&Value> = requests.iter().map(|(_, case)| case).collect();
    let mut child = verifier.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &cases).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    let wrong: Vec<_> =
        printed.lines().zip(requests).filter(|(line, (valid, _))| (*line == "valid") != *valid).collect();
    assert!(wrong.is_empty() && printed.lines().count() == requests.len(), "{wrong:#?}\n{printed}");
}

fn headers(request: &Received) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
    };
    request.headers.iter().map(header).collect()
}
