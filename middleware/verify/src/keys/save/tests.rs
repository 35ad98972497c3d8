//! Writing, on the thread of the test, which hears what is said.

use tower_identity_testkit::LogCapture;

use super::*;
use crate::source::Form;

fn saver(file: &Path) -> Saver {
    Saver::new("https://as.example".parse().expect("an issuer"), file.to_owned())
}

#[test]
fn jwks_a6_a_file_that_cannot_be_written_is_told_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (logs, file) = (LogCapture::start(), folder.path().join("new").join("keys.json"));
    let saver = saver(&file);
    let told = || logs.text().matches("keys cannot be saved").count();
    for _ in 0..3 {
        saver.write(&[], Timestamp::from_secs(1));
    }
    assert_eq!(told(), 1, "{}", logs.text());
    fs::create_dir(folder.path().join("new")).expect("a folder");
    saver.write(&[], Timestamp::from_secs(2));
    fs::remove_dir_all(folder.path().join("new")).expect("removed");
    saver.write(&[], Timestamp::from_secs(3));
    assert_eq!(told(), 2, "once for each time that it begins");
}

#[test]
fn jwks_a6_a_file_is_replaced_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    let names = || fs::read_dir(folder.path()).expect("a folder").count();
    // Where the new file would go, something is in the way.
    fs::create_dir(&file).expect("a folder");
    let saver = saver(&file);
    saver.write(&[], Timestamp::from_secs(1));
    assert!(file.is_dir());
    assert_eq!(names(), 1, "nothing is left behind");
    fs::remove_dir(&file).expect("removed");
    fs::write(&file, "before").expect("written");
    saver.write(&[], Timestamp::from_secs(1));
    let written = fs::read_to_string(&file).expect("there");
    assert_eq!(written, r#"{"issuer":"https://as.example","fetched_at":1,"keys":[]}"#);
    assert_eq!(names(), 1);
}

#[test]
fn jwks_a6_while_a_write_hangs_none_is_added_to_it_and_what_was_forgotten_meanwhile_is_gone_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let saver = Arc::new(saver(&folder.path().join("keys.json")));
    let written = || fs::read_to_string(&saver.file).ok();
    let saved =
        |at: u64, keys: &str| Some(format!(r#"{{"issuer":"https://as.example","fetched_at":{at},"keys":[{keys}]}}"#));
    let key = tower_identity_jose::SigningKey::generate(tower_identity_jose::Algorithm::Es256).expect("a key");
    let jwk = key.public_jwk().to_string();
    saver.remember(&Reading { form: Form::KeySet, pins: None }, format!(r#"{{"keys":[{jwk}]}}"#).as_bytes());
    saver.save(Timestamp::from_secs(1));
    assert_eq!(written(), saved(1, &jwk), "without a runtime it is written at once");

    let hangs = Arc::new(Writer);
    saver.state().writer = Arc::downgrade(&hangs);
    saver.forget();
    saver.save(Timestamp::from_secs(2));
    assert_eq!(written(), saved(1, &jwk), "while a write hangs");
    saver.write_what_is_wanted(hangs);
    assert_eq!(written(), saved(2, ""));
    saver.save(Timestamp::from_secs(3));
    assert_eq!(written(), saved(3, ""), "the next one is written again");
}

#[test]
fn jwks_a6_a_write_that_went_with_its_runtime_keeps_no_other_waiting() {
    let folder = tempfile::tempdir().expect("a folder");
    let saver = Arc::new(saver(&folder.path().join("keys.json")));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let over = runtime.handle().clone();
    drop(runtime);
    {
        let _entered = over.enter();
        saver.save(Timestamp::from_secs(1));
    }
    assert!(!saver.file.exists());
    saver.save(Timestamp::from_secs(2));
    assert!(saver.file.exists());
}

#[cfg(unix)]
#[test]
fn jwks_a6_the_file_is_for_its_owner_alone_whatever_was_there() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let saver = saver(&folder.path().join("keys.json"));
    let mode = || fs::metadata(&saver.file).expect("there").permissions().mode() & 0o777;
    saver.write(&[], Timestamp::from_secs(1));
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&saver.file, fs::Permissions::from_mode(0o666)).expect("set");
    saver.write(&[], Timestamp::from_secs(2));
    assert_eq!(mode(), 0o600);
}

#[test]
fn jwks_a6_the_keys_of_a_trust_bundle_are_saved_as_such() {
    let key = tower_identity_jose::SigningKey::generate(tower_identity_jose::Algorithm::Es256).expect("a key");
    let (mut of_bundle, plain) = (key.public_jwk(), key.public_jwk());
    of_bundle["use"] = "jwt-svid".into();
    let document = serde_json::json!({"keys": [plain, of_bundle]}).to_string();
    for (form, kept) in [(Form::TrustBundle, &of_bundle), (Form::KeySet, &plain)] {
        let saver = saver(Path::new(""));
        saver.remember(&Reading { form, pins: None }, document.as_bytes());
        assert_eq!(*saver.state().keys, *std::slice::from_ref(kept), "{form:?}");
    }
}
