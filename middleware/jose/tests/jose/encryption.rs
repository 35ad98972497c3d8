//! Encrypted tokens: what is read of them, and every one that is not.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    digest::{SHA256, digest},
};
use serde_json::{Value, json};
use tower_identity_core::SecretToken;
use tower_identity_jose::{
    Algorithm, DecryptError, DecryptionKey, DecryptionKeys, EncryptionKey, Limits, MediaType, SigningKey,
    SigningKeyError,
};

fn signed() -> SecretToken {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    key.sign(&MediaType::ACCESS_TOKEN, &json!({"sub": "alice"})).expect("signed")
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn bytes(text: &str) -> Vec<u8> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
}

/// Encrypts by hand to a key, under a header that was changed; the content key is that of what the header says of the parties.
fn encrypted(to: &EncryptionKey, inside: &[u8], change: impl FnOnce(&mut Value)) -> String {
    let jwk = to.to_jwk();
    let coordinate = |name: &str| bytes(jwk[name].as_str().expect("a coordinate"));
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let ephemeral = PrivateKey::generate(&ECDH_P256).expect("a key");
    let public = ephemeral.compute_public_key().expect("a point");
    let (x, y) = public.as_ref()[1..].split_at(32);
    let mut header = json!({
        "alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": to.key_id(),
        "epk": {"kty": "EC", "crv": "P-256", "x": base64(x), "y": base64(y)},
    });
    change(&mut header);
    let said = |name: &str| header.get(name).and_then(Value::as_str).map(bytes).unwrap_or_default();
    let framed = |field: &[u8]| [&u32::try_from(field.len()).expect("short").to_be_bytes(), field].concat();
    let key = agree(&ephemeral, UnparsedPublicKey::new(&ECDH_P256, &point), (), |secret| {
        let info =
            [framed(b"A256GCM"), framed(&said("apu")), framed(&said("apv")), 256_u32.to_be_bytes().to_vec()].concat();
        Ok(digest(&SHA256, &[&1_u32.to_be_bytes(), secret, &info].concat()).as_ref().to_vec())
    });
    let header = base64(header.to_string().as_bytes());
    let (iv, mut text) = ([7; 12], inside.to_vec());
    let key = UnboundKey::new(&AES_256_GCM, &key.expect("agreed")).expect("256 bits");
    let sealing = LessSafeKey::new(key);
    let nonce = Nonce::assume_unique_for_key(iv);
    let tag = sealing.seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut text).expect("sealed");
    format!("{header}..{}.{}.{}", base64(&iv), base64(&text), base64(tag.as_ref()))
}

fn read(keys: &DecryptionKeys, token: &str) -> Result<String, DecryptError> {
    keys.decrypt(token, &Limits::default()).map(|inside| inside.expose().to_owned())
}

#[test]
fn jwe_a1_what_is_encrypted_to_one_of_our_keys_is_read_and_nothing_else() {
    let (now, next, another) = (DecryptionKey::generate(), DecryptionKey::generate(), DecryptionKey::generate());
    let ours = DecryptionKeys::new([now.clone(), next.clone()]);
    let inside = signed();
    for key in [&now, &next] {
        let token = key.encryption_key().encrypt(&inside);
        assert_eq!(read(&ours, token.expose()).as_deref(), Ok(inside.expose()));
        assert_ne!(key.encryption_key().encrypt(&inside).expose(), token.expose(), "each with a key of its own");
    }
    let to_another = another.encryption_key().encrypt(&inside);
    assert_eq!(read(&ours, to_another.expose()), Err(DecryptError::UnknownKey));
    let under_our_name = another.with_key_id(now.encryption_key().key_id());
    let token = under_our_name.encryption_key().encrypt(&inside);
    assert_eq!(read(&ours, token.expose()), Err(DecryptError::Decryption));
    assert_eq!(read(&DecryptionKeys::default(), token.expose()), Err(DecryptError::UnknownKey));
    assert_eq!(read(&ours, inside.expose()), Err(DecryptError::Form), "what is signed is not encrypted");
}

#[test]
fn jwe_a2_only_what_the_header_may_ask_for_is_done() {
    let key = DecryptionKey::generate();
    let ours = DecryptionKeys::new([key.clone()]);
    let inside = signed();
    let check =
        |change: &dyn Fn(&mut Value)| read(&ours, &encrypted(key.encryption_key(), inside.expose().as_bytes(), change));
    let set = |name: &'static str, value: Value| move |header: &mut Value| header[name] = value.clone();
    let without =
        |name: &'static str| move |header: &mut Value| drop(header.as_object_mut().expect("one").remove(name));
    let good = Ok(inside.expose().to_owned());
    type Change = Box<dyn Fn(&mut Value)>;
    let cases: [(&str, Change, Result<String, DecryptError>); 21] = [
        ("the control", Box::new(|_| ()), good.clone()),
        ("its type is that of a JWT", Box::new(set("cty", json!("application/jwt"))), good.clone()),
        ("the parties are named", Box::new(set("apu", json!(base64(b"Alice")))), good.clone()),
        ("both are", Box::new(set("apv", json!(base64(b"Bob")))), good.clone()),
        ("no key is named", Box::new(without("kid")), good.clone()),
        ("what nobody knows", Box::new(set("x", json!({"y": 1}))), good),
        ("a wrapped key", Box::new(set("alg", json!("ECDH-ES+A256KW"))), Err(DecryptError::Algorithm)),
        ("a key of RSA", Box::new(set("alg", json!("RSA1_5"))), Err(DecryptError::Algorithm)),
        ("no agreement", Box::new(set("alg", json!("dir"))), Err(DecryptError::Algorithm)),
        ("a password", Box::new(set("alg", json!("PBES2-HS256+A128KW"))), Err(DecryptError::Algorithm)),
        ("nothing", Box::new(set("alg", json!("none"))), Err(DecryptError::Algorithm)),
        ("another content", Box::new(set("enc", json!("A128GCM"))), Err(DecryptError::Algorithm)),
        ("compressed", Box::new(set("zip", json!("DEF"))), Err(DecryptError::Extension)),
        ("compressed by null", Box::new(set("zip", Value::Null)), Err(DecryptError::Extension)),
        ("an extension", Box::new(set("crit", json!(["exp"]))), Err(DecryptError::Extension)),
        ("no type", Box::new(without("cty")), Err(DecryptError::ContentType)),
        ("another type", Box::new(set("cty", json!("json"))), Err(DecryptError::ContentType)),
        ("no ephemeral key", Box::new(without("epk")), Err(DecryptError::EphemeralKey)),
        (
            "one of another curve",
            Box::new(|header| header["epk"]["crv"] = json!("P-384")),
            Err(DecryptError::EphemeralKey),
        ),
        (
            "one off the curve",
            Box::new(|header| header["epk"]["y"] = header["epk"]["x"].clone()),
            Err(DecryptError::EphemeralKey),
        ),
        ("another's name", Box::new(set("kid", json!("other"))), Err(DecryptError::UnknownKey)),
    ];
    for (name, change, expected) in cases {
        assert_eq!(check(&*change), expected, "{name}");
    }
    let long = |bytes: usize| check(&set("apu", json!(base64(&vec![1; bytes]))));
    assert_eq!((long(192).is_ok(), long(193)), (true, Err(DecryptError::EphemeralKey)));
}

#[test]
fn jwe_a2_what_a_token_costs_is_bounded() {
    let ours: Vec<_> = (0..5).map(|_| DecryptionKey::generate()).collect();
    let keys = DecryptionKeys::new(ours.clone());
    let inside = signed();
    let nameless = |key: &DecryptionKey| {
        let token = encrypted(key.encryption_key(), inside.expose().as_bytes(), |header| {
            header.as_object_mut().expect("an object").remove("kid");
        });
        read(&keys, &token)
    };
    assert_eq!(nameless(&ours[3]).as_deref(), Ok(inside.expose()));
    assert_eq!(nameless(&ours[4]), Err(DecryptError::Decryption), "a fifth key is not tried");
    let named = ours[4].encryption_key().encrypt(&inside);
    assert_eq!(read(&keys, named.expose()).as_deref(), Ok(inside.expose()), "unless the token names it");

    let deep = |levels: u8| {
        let value = (0..levels).fold(json!(1), |inner, _| json!([inner]));
        read(&keys, &encrypted(ours[0].encryption_key(), inside.expose().as_bytes(), |header| header["x"] = value))
    };
    let most = Limits::default().json_depth() - 1;
    assert_eq!(deep(most).as_deref(), Ok(inside.expose()));
    assert!(matches!(deep(most + 1), Err(DecryptError::Header(_))));
}

#[test]
fn jwe_a2_every_part_is_whole_and_as_it_was_written() {
    let key = DecryptionKey::generate();
    let ours = DecryptionKeys::new([key.clone()]);
    let token = key.encryption_key().encrypt(&signed()).expose().to_owned();
    assert!(read(&ours, &token).is_ok(), "the control");
    let parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let with = |at: usize, part: &str| {
        let mut parts = parts.clone();
        parts[at] = part.to_owned();
        read(&ours, &parts.join("."))
    };
    let flipped = |part: &str| {
        let mut bytes = bytes(part);
        bytes[0] ^= 1;
        base64(&bytes)
    };
    let same_header = json!({
        "cty": "JWT", "alg": "ECDH-ES", "enc": "A256GCM", "kid": key.encryption_key().key_id(),
        "epk": serde_json::from_slice::<Value>(&bytes(&parts[0])).expect("json")["epk"], "more": 1,
    });
    assert_eq!(
        with(0, &base64(same_header.to_string().as_bytes())),
        Err(DecryptError::Decryption),
        "the header is sealed too"
    );
    assert_eq!(with(1, "AAAA"), Err(DecryptError::Form), "a key that was encrypted");
    for (at, part) in parts.iter().enumerate().skip(2) {
        assert_eq!(with(at, &flipped(part)), Err(DecryptError::Decryption), "{at}");
        assert_eq!(with(at, &format!("{part}=")), Err(DecryptError::Form), "{at}");
    }
    assert_eq!(with(2, &base64(&[0; 13])), Err(DecryptError::Form));
    assert_eq!(with(4, &base64(&bytes(&parts[4])[..15])), Err(DecryptError::Form), "a shorter tag");
    assert_eq!(with(3, ""), Err(DecryptError::Decryption));
    assert_eq!(read(&ours, &format!("{token}.")), Err(DecryptError::Form));
    let twice = br#"{"alg":"ECDH-ES","alg":"ECDH-ES","enc":"A256GCM"}"#;
    assert!(matches!(with(0, &base64(twice)), Err(DecryptError::Header(_))));
    let no_content = br#"{"alg":"ECDH-ES","cty":"JWT"}"#;
    assert!(matches!(with(0, &base64(no_content)), Err(DecryptError::Header(_))));
    let small = Limits::default().with_token_bytes(token.len() - 1).expect("a limit");
    assert_eq!(ours.decrypt(&token, &small).map(drop), Err(DecryptError::TooLong { limit: token.len() - 1 }));
}

#[test]
fn jwe_a3_keys_are_of_p_256_and_for_encryption_alone_and_do_not_print() {
    let signing = SigningKey::generate(Algorithm::Es256).expect("a key");
    let pem = signing.to_pem().expect("exported");
    let key = DecryptionKey::from_pem(pem.expose()).expect("a key of P-256");
    assert_eq!(key.encryption_key().key_id(), signing.thumbprint().to_string());
    let of_another_type = SigningKey::generate(Algorithm::Ed25519).and_then(|key| key.to_pem()).expect("exported");
    let refused = DecryptionKey::from_pem(of_another_type.expose()).map(drop);
    assert_eq!(refused, Err(SigningKeyError::Unreadable));
    assert!(format!("{key:?}").starts_with("DecryptionKey { key_id"), "{key:?}");

    let jwk = key.encryption_key().to_jwk();
    assert_eq!(EncryptionKey::from_jwk(&jwk).as_ref(), Some(key.encryption_key()));
    assert_eq!(jwk.get("d"), None);
    let changed = |name: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[name] = value;
        EncryptionKey::from_jwk(&jwk)
    };
    for (name, value) in [
        ("use", json!("sig")),
        ("use", Value::Null),
        ("alg", json!("ES256")),
        ("crv", json!("P-384")),
        ("kty", json!("OKP")),
        ("kid", json!("")),
        ("y", jwk["x"].clone()),
        ("d", json!("secret")),
    ] {
        assert_eq!(changed(name, value.clone()), None, "{name}: {value}");
    }
    let renamed = key.with_key_id("2026-11");
    assert_eq!(changed("kid", json!("2026-11")).as_ref(), Some(renamed.encryption_key()));
}
