//! The whole story, every log line of it: no token, no secret, no key.

use demo_mesh::{Addresses, Mesh, Page, story};
use tower_identity::Settings;
use tower_identity_testkit::{LogCapture, assert_text_hides};

use crate::demo::{Moved, PARTS};

/// What the files hold that nobody may read in a log.
const SECRETS: [&str; 3] = ["storefront: demo only", "payments: demo only", "PRIVATE KEY"];

#[tokio::test]
async fn the_whole_story_in_a_trace_log_shows_no_secret() {
    let shop = Moved::new();
    let capture = LogCapture::start();
    let mut mesh = Mesh::start(shop.directory(), Addresses::default(), "the test").await.expect("started");
    let mut page = Page::plain(Vec::new());
    let told = story::tell(&mut mesh, &mut page).await.expect("told");
    assert_eq!((told.steps, told.held), (20, 20));
    mesh.stop().await.expect("stopped");

    let log = capture.text();
    for event in ["tower_identity::decision", "invalid_token", "token_exchange", "keys changed"] {
        assert!(log.contains(event), "the capture saw the story: {event}");
    }
    // Every JWT begins with these characters: the base64url of `{"`.
    let printed = String::from_utf8(page.into_inner()).expect("text");
    for text in [&log, &printed, &format!("{:?}", shop.directory())] {
        assert_text_hides(text, SECRETS);
        assert!(!text.contains("eyJ"), "a token is in the text");
        assert!(!text.contains("session="), "a session's token is in the text");
    }
}

#[test]
fn settings_and_what_is_built_of_them_show_no_secret() {
    let shop = Moved::new();
    for part in PARTS {
        let settings = Settings::from_path(shop.file(part)).expect("a good file");
        let text = format!("{settings:#?} {:#?} {:#?}", settings.verifier(), settings.outbound());
        assert!(text.contains(part), "{part}: the text says something");
        assert_text_hides(&text, SECRETS);
    }
}
