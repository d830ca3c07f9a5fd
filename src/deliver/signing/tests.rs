use super::*;

const NOW: Timestamp = Timestamp(1_614_265_330_000_000);

fn shared(bytes: &[u8]) -> SigningSecret {
    SigningSecret { key: Key::Hmac(SecretBytes::of_bytes(bytes)), until: None }
}

fn parse(text: &str) -> SigningSecret {
    SigningSecret::parse(text).unwrap()
}

#[test]
fn a_signature_is_that_of_the_specifications_example() {
    let secret = parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let body = br#"{"test": 2432232314}"#;
    let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", NOW, body);
    assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
}

#[test]
fn each_secret_signs_until_its_end() {
    let (one, two) = (parse("one"), parse("two"));
    let each = [one.sign("id", NOW.unix_seconds(), b"{}"), two.sign("id", NOW.unix_seconds(), b"{}")];
    let signed = |secrets: &[SigningSecret]| signatures(secrets, "id", NOW, b"{}");
    assert_eq!(signed(&[one.clone(), two.clone()]), Some(each.join(" ")));
    assert_eq!(signed(&[one.clone(), two.clone().until(Timestamp(NOW.0 + 1))]), Some(each.join(" ")));
    assert_eq!(signed(&[one.clone(), two.until(NOW)]), Some(each[0].clone()));
    assert_eq!(signed(&[one.until(NOW)]), None);
    assert_eq!(signed(&[]), None);
}

#[test]
fn a_rotation_ends_the_secrets_before_it() {
    let hour = Duration::from_hours(1);
    let (old, new) = (parse("old"), parse("new"));
    let end = NOW.plus(hour);
    assert_eq!(rotate(&[], new.clone(), hour, NOW), std::slice::from_ref(&new));
    assert_eq!(
        rotate(std::slice::from_ref(&old), new.clone(), hour, NOW),
        [new.clone(), old.clone().until(end)]
    );
    let sooner = old.clone().until(Timestamp(NOW.0 + 1));
    let later = parse("later").until(end.plus(hour));
    assert_eq!(
        rotate(&[sooner.clone(), later, parse("ended").until(NOW)], new.clone(), hour, NOW),
        [new.clone(), sooner, parse("later").until(end)],
        "an end is never put off"
    );
    assert_eq!(
        rotate(std::slice::from_ref(&old), new.clone(), Duration::ZERO, NOW),
        std::slice::from_ref(&new)
    );
    let again = rotate(&[old.clone(), new.clone().until(end)], new.clone(), hour, NOW);
    assert_eq!(again, [new, old.until(end)], "one that is taken back has no end");
}

#[test]
fn a_secret_is_the_same_however_its_base64_is_written() {
    let key = shared(&[0xFB, 0xEF, 0xFF, 0x00]);
    for text in [
        "whsec_++//AA==",
        "whsec_++//AA",
        "whsec_++//AA=",
        "whsec_--__AA==",
        "whsec_--__AA",
        "v1,whsec_++//AA==",
        "v1,whsec_++//AA",
        "v1,whsec_--__AA",
    ] {
        assert_eq!(SigningSecret::parse(text), Ok(key.clone()), "{text:?}");
    }
    assert_eq!(SigningSecret::parse("v1,plain"), Ok(shared(b"v1,plain")));
}

#[test]
fn the_form_for_the_receiver_is_the_one_that_libraries_read() {
    for (text, form) in [
        ("correct horse", "whsec_Y29ycmVjdCBob3JzZQ=="),
        ("whsec_--__AA", "whsec_++//AA=="),
        ("v1,whsec_++//AA", "whsec_++//AA=="),
    ] {
        let secret = parse(text);
        assert_eq!(secret.for_receiver().expose().as_str(), form, "{text}");
        assert_eq!(parse(secret.to_text().expose()), secret);
    }
}

#[test]
fn short_secrets_are_noticed_and_long_ones_are_not() {
    for (length, short) in [(1, Some(1)), (23, Some(23)), (24, None), (64, None), (65, None), (4_096, None)] {
        assert_eq!(parse(&"x".repeat(length)).too_short(), short);
    }
    assert_eq!(parse("whsec_AAAA").too_short(), Some(3));
    assert_eq!(parse(&format!("whsk_{}", STANDARD.encode([7; 32]))).too_short(), None);
}

/// <https://www.rfc-editor.org/rfc/rfc8032#section-7.1>, test 1.
#[test]
fn a_private_key_is_its_seed_with_or_without_its_public_key() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let seed = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    let text = |bytes: &[u8]| format!("whsk_{}", STANDARD.encode(bytes));
    let secret = parse(&text(&seed));
    assert_eq!(secret, parse(&text(&[seed.clone(), public.clone()].concat())));
    assert_eq!(secret, parse(&format!("v1a,{}", text(&seed).trim_end_matches('='))));
    assert_eq!(parse(secret.to_text().expose()), secret);
    assert_eq!(secret.for_receiver().expose().as_str(), format!("whpk_{}", STANDARD.encode(&public)));
    let signed = signatures(&[secret], "id", NOW, b"{}").unwrap();
    let signature = STANDARD.decode(signed.strip_prefix("v1a,").unwrap()).unwrap();
    let message = format!("id.{}.{{}}", NOW.unix_seconds());
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public.clone());
    assert!(key.verify(message.as_bytes(), &signature).is_ok());
    for wrong in [&seed[..31], &[&seed[..], &seed[..]].concat(), &[&seed[..], &public[..31]].concat(), &[]] {
        assert_eq!(SigningSecret::parse(&text(wrong)), Err(BadSecret::NotAKey));
    }
}

#[test]
fn a_secret_is_checked_and_never_shown() {
    for (text, why) in [
        ("", BadSecret::Empty),
        ("whsec_", BadSecret::Empty),
        ("v1,whsec_", BadSecret::Empty),
        ("whsec_!", BadSecret::NotBase64),
        ("v1,whsec_!", BadSecret::NotBase64),
        ("whsk_!", BadSecret::NotBase64),
        ("whpk_AAAA", BadSecret::PublicKey),
        ("v1a,whpk_AAAA", BadSecret::PublicKey),
        ("geheim\n", BadSecret::Control),
        ("ge\nheim", BadSecret::Control),
        ("ge\u{0}heim", BadSecret::Control),
        ("whsec_AAAA\r", BadSecret::Control),
    ] {
        assert_eq!(SigningSecret::parse(text), Err(why), "{text:?}");
    }
    let key = parse(&format!("whsk_{}", STANDARD.encode([7; 32])));
    let shown = format!("{:?} {key:?}", parse("geheim"));
    assert_eq!(
        shown,
        "SigningSecret { key: Hmac(…), until: None } SigningSecret { key: Ed25519(…), until: None }"
    );
}
