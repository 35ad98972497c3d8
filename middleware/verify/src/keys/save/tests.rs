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
        saver.write(Timestamp::from_secs(1));
    }
    assert_eq!(told(), 1, "{}", logs.text());
    fs::create_dir(folder.path().join("new")).expect("a folder");
    saver.write(Timestamp::from_secs(2));
    fs::remove_dir_all(folder.path().join("new")).expect("removed");
    saver.write(Timestamp::from_secs(3));
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
    saver.write(Timestamp::from_secs(1));
    assert!(file.is_dir());
    assert_eq!(names(), 1, "nothing is left behind");
    fs::remove_dir(&file).expect("removed");
    fs::write(&file, "before").expect("written");
    saver.write(Timestamp::from_secs(1));
    let written = fs::read_to_string(&file).expect("there");
    assert_eq!(written, r#"{"issuer":"https://as.example","fetched_at":1,"keys":[]}"#);
    assert_eq!(names(), 1);
}

#[test]
fn jwks_a6_while_a_write_hangs_none_is_added_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let saver = Arc::new(saver(&folder.path().join("keys.json")));
    saver.under_way.store(true, Ordering::Release);
    saver.save(Timestamp::from_secs(1));
    assert!(!saver.file.exists());
    saver.under_way.store(false, Ordering::Release);
    saver.save(Timestamp::from_secs(1));
    assert!(saver.file.exists(), "without a runtime it is written at once");
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
        assert_eq!(**saver.keys.lock().expect("not poisoned"), *std::slice::from_ref(kept), "{form:?}");
    }
}
