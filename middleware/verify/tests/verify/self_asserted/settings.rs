//! The same from a file.

use std::{fs, path::Path};

use tower_identity_jose::public_key_set;
use tower_identity_verify::SelfAssertedSettings;

use super::*;

fn built(mesh: &Mesh, folder: &Path, settings: &Value) -> Result<Verifier, String> {
    let settings: SelfAssertedSettings = serde_json::from_value(settings.clone()).map_err(|wrong| wrong.to_string())?;
    settings.add_to(mesh.plain(), folder).and_then(VerifierBuilder::build).map_err(|wrong| wrong.to_string())
}

#[test]
fn said_a5_a_file_lists_a_service_whole() {
    let mesh = Mesh::new();
    let folder = std::env::temp_dir().join(format!("tower-identity-self-asserted-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("orders.keys.json"), public_key_set([&mesh.orders])).expect("written");
    let good = json!({
        "issuer": ORDERS, "audience": "payments", "users_of": [LOGIN], "keys_file": "orders.keys.json", "leeway_seconds": 10,
    });
    let verifier = built(&mesh, &folder, &good).expect("in order");
    assert_eq!(decided(verifier.bearer(&sign(&mesh.orders, &word()))), at_its_word());
    let mut ended = with("iat", json!(now() - 60));
    ended["exp"] = json!(now() - 11);
    assert_eq!(decided(verifier.bearer(&sign(&mesh.orders, &ended))), invalid("exp"));

    let but_for = |name: &str, value: Value| {
        let mut settings = good.clone();
        settings[name] = value;
        built(&mesh, &folder, &settings).map(drop)
    };
    let url = || json!({"url": "https://orders.internal/keys"});
    assert_eq!(but_for("keys", url()), Err("keys_file: stands beside keys.url".to_owned()));
    let at_url = {
        let mut settings = good.clone();
        settings["keys"] = url();
        settings.as_object_mut().expect("an object").remove("keys_file");
        built(&mesh, &folder, &settings).map(drop)
    };
    assert_eq!(at_url, Ok(()));
    let nowhere = "keys.url: is missing, and keys_file too: where the service's key set is".to_owned();
    assert_eq!(but_for("keys_file", Value::Null), Err(nowhere));
    let gone = but_for("keys_file", json!("gone.json")).expect_err("not there");
    assert!(gone.starts_with("keys_file: ") && gone.contains("gone.json holds no key set: "), "{gone}");
    assert_eq!(but_for("users_of", json!([])), Err("self_asserted[0].users_of: names no issuer".to_owned()));
    assert!(but_for("profile", json!("plain")).expect_err("unknown").starts_with("unknown field `profile`"));
    fs::remove_dir_all(folder).expect("removed");
}
