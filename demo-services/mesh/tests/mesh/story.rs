use std::path::Path;

use demo_mesh::{
    AuthorityAs, Mesh, Mode, Page, Variation,
    story::{Told, tell},
};

use futures_util::future::join_all;

use crate::support::{FREE, changed, shipped};

async fn told(directory: &Path) -> (Told, String) {
    told_of(directory, Variation::default()).await
}

async fn told_of(directory: &Path, variation: Variation) -> (Told, String) {
    let mut mesh = Mesh::start_varied(directory, variation, FREE, "--port-base").await.expect("started");
    let mut page = Page::plain(Vec::new());
    let told = tell(&mut mesh, &mut page).await.expect("told");
    mesh.stop().await.expect("stopped");
    (told, String::from_utf8(page.into_inner()).expect("text"))
}

#[tokio::test]
async fn the_story_holds_and_is_told_like_this() {
    let (told, text) = told(&shipped()).await;
    assert_eq!(text, include_str!("story.txt"));
    assert_eq!(told, Told { steps: 20, held: 20, otherwise: 0 });
}

/// What is done and what has to hold, without what each hop saw.
fn checks(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.contains(" saw ")).collect()
}

/// The same steps and the same checks, whatever the authority's tokens look like, but for what it does not issue.
#[tokio::test]
async fn the_story_holds_where_the_authority_answers_as_keycloak() {
    let keycloak = Variation { authority_as: Some(AuthorityAs::Keycloak), ..Variation::default() };
    let (told, text) = told_of(&shipped(), keycloak).await;
    assert_eq!(told, Told { steps: 20, held: 19, otherwise: 1 }, "{text}");
    // It gives no grants for another trust domain's server. Up to there and from there on nothing differs.
    let (steps, expected) = (checks(&text), checks(include_str!("story.txt")));
    let parts = |lines: &[&str]| {
        let at = |step: &str| lines.iter().position(|line| line.starts_with(step)).expect("a step");
        (lines[..at("17. ")].join("\n"), lines[at("18. ")..lines.len() - 1].join("\n"))
    };
    assert_eq!(parts(&steps), parts(&expected));
    for seen in [
        "   storefront saw storefront-web for alice: catalog:read email orders:read orders:write profile\n",
        "   orders     saw storefront for alice: email orders:read orders:write prices:read profile\n",
        "   payments   saw orders for alice: email payments:charge payments:read profile\n",
        "   payments   saw orders for nobody: no scopes\n",
    ] {
        assert!(text.contains(seen), "{seen}{text}");
    }
}

/// The same where users have another name at each service, nobody is asked what a token is, and what orders may do by itself
/// are its roles.
#[tokio::test]
async fn the_story_holds_where_the_authority_answers_as_entra() {
    let entra = Variation { authority_as: Some(AuthorityAs::Entra), ..Variation::default() };
    let (told, text) = told_of(&shipped(), entra).await;
    assert_eq!(told, Told { steps: 20, held: 16, otherwise: 4 }, "{text}");
    let story = include_str!("story.txt").replace("none of them: invalid_request", "none of them: invalid_grant");
    let (steps, expected) = (checks(&text), checks(&story));
    let parts = |lines: &[&str]| {
        let at = |step: &str| lines.iter().position(|line| line.starts_with(step)).expect("a step");
        let part = |from: usize, to: usize| lines[from..to].join("\n");
        [part(0, at("9. ")), part(at("10. "), at("17. ")), part(at("20. "), lines.len() - 1)]
    };
    assert_eq!(parts(&steps), parts(&expected));
    for seen in [
        "   storefront saw storefront-web for alice: catalog:read orders:read orders:write\n",
        "   orders     saw storefront for alice: orders:read orders:write prices:read\n",
        "   payments   saw orders for alice: payments:charge payments:read\n",
        "   payments   saw orders for nobody: no scopes\n",
    ] {
        assert!(text.contains(seen), "{seen}{text}");
    }
}

/// What a mode cannot hold is said, and does not hold; the rest is as it is otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn the_story_holds_in_every_mode_but_for_what_the_mode_cannot() {
    let modes = [
        (Mode::Relay, Told { steps: 20, held: 12, otherwise: 8 }, include_str!("story-relay.txt")),
        (Mode::Embedded, Told { steps: 20, held: 18, otherwise: 2 }, include_str!("story-embedded.txt")),
        (Mode::TwoCredentials, Told { steps: 20, held: 19, otherwise: 1 }, include_str!("story-two-credentials.txt")),
        (Mode::Signed, Told { steps: 20, held: 16, otherwise: 4 }, include_str!("story-signed.txt")),
        (Mode::Transaction, Told { steps: 20, held: 20, otherwise: 0 }, include_str!("story-transaction.txt")),
        (Mode::Edge, Told { steps: 21, held: 17, otherwise: 4 }, include_str!("story-edge.txt")),
        (Mode::PlainHeaders, Told { steps: 20, held: 18, otherwise: 2 }, include_str!("story-plain-headers.txt")),
    ];
    let walked = modes
        .each_ref()
        .map(async |(mode, ..)| told_of(&shipped(), Variation { mode: *mode, ..Variation::default() }).await);
    for ((mode, expected, page), (told, text)) in modes.into_iter().zip(join_all(walked).await) {
        assert_eq!(text, page, "{mode:?}");
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_varied_is_refused() {
    let keycloak = Variation { authority_as: Some(AuthorityAs::Keycloak), ..Variation::default() };
    let line = "audience = \"payments\"\n\n";
    let directory = changed("varied", "payments.toml", line, "audience = [\"payments\"]\n\n");
    let refused = Mesh::start_varied(&directory, keycloak, FREE, "--port-base").await.expect_err("nothing to change");
    let rule = "payments.toml:2: service: goes without \"audience = \\\"payments\\\"\\n\", of which an option of the mesh \
                makes something else";
    assert!(refused.to_string().ends_with(rule), "{refused}");
    let plain = Mesh::start(&directory, FREE, "--port-base").await.expect("started");
    plain.stop().await.expect("stopped");
}

/// Each of these mistakes in the settings breaks the step that is there to show it, and the story says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_does_not_hold_is_marked() {
    let broken = [
        (
            "payments.toml",
            "callers = [\"orders\"]",
            "callers = [\"orders\", \"storefront\"]",
            "   ✘ the token is good, the storefront is not on payments' list of callers: 403: expected \"403\", found \"201\"",
        ),
        (
            "payments.toml",
            "audience = \"payments\"",
            "audience = [\"payments\", \"orders\"]",
            "   ✘ payments refuses the same token: 401 invalid_token: expected \"401 invalid_token\", found \"403\"",
        ),
        (
            "orders.toml",
            "sku = \"tea\"\nname = \"A tin of tea\"\ncents = 1250",
            "sku = \"tea\"\nname = \"A tin of tea\"\ncents = 1251",
            "   ✘ her money is charged: 28.80: expected 2880, found 2882",
        ),
        (
            "authority.toml",
            "\"orders:read\" = [\"payments:read\"]",
            "\"orders:read\" = []",
            "   ✘ whom payments saw: expected ",
        ),
        (
            "storefront.toml",
            "{ cookie = \"session\" }]",
            "{ cookie = \"session\" }]\nallowed_origins = [\"https://page.example\"]",
            "   ✘ a page of another site has it do the same: 403: expected \"403 denied\", found \"201 none\"",
        ),
        (
            "payments.toml",
            "user_source = { header = \"x-user-token\" }",
            "",
            "   ✘ whom payments saw: expected {\"actors\":[{\"id\":\"orders\",",
        ),
        (
            "payments.toml",
            "whoami = \"observe\"",
            "whoami = \"enforce\"",
            "   ✘ payments tells the storefront whom it sees, which is not on its list: 200: expected \"200\", found \"403\"",
        ),
        (
            "payments.toml",
            "audience = \"http://127.0.0.1:7003/security-events\"",
            "audience = \"another\"",
            "   ✘ the authority revokes her; all three services acknowledge: expected [{\"acknowledged\":true,",
        ),
        (
            "storefront.toml",
            "sources = [",
            "streams = \"finish\"\nsources = [",
            "   ✘ her stream ends: expected \"the end\", found \"nothing\"",
        ),
        (
            "authority.toml",
            "from = \"orders\"\nto = \"payments\"",
            "from = \"orders\" # whose tokens live as long as others\nto = \"payments\"",
            "   ✘ Alice goes on calling, until payments sees her next token: expected true, found false",
        ),
        (
            "authority.toml",
            "scopes = [\"payments:settle\"]",
            "scopes = [\"payments:read\"]",
            "   ✘ the other could be had, by the count: expected 1, found 0",
        ),
        (
            "orders.toml",
            "scope = \"payments:charge payments:read\"",
            "scope = \"payments:read payments:charge\"",
            "   ✘ a file with a wrong row is refused, and told of: expected 1, found 0",
        ),
        (
            "partner.toml",
            "{ alice = \"customer-1\"",
            "{ alice = \"customer-2\"",
            "   ✘ the partner vouches for her, and the order is placed: 201: expected \"201\", found \"422\"",
        ),
        (
            "storefront.toml",
            "\nsubjects_of = [\"http://127.0.0.1:7004\"]\n",
            "\n",
            "   ✘ and has nothing to send for her: 500: expected \"500 misconfigured\", found \"200 none\"",
        ),
        (
            "authority.toml",
            "scopes = [\"prices:read\", \"orders:read\"]\nusers = { alice = \"guest-alice\"",
            "scopes = [\"prices:read\", \"orders:read\"]\nusers = { alice = \"alice\"",
            "   ✘ and the partner's Alice none: expected []",
        ),
    ];
    let walked = broken.iter().enumerate().map(async |(at, (file, from, to, _))| {
        let directory = changed(&format!("story-{at}"), file, from, to);
        told(&directory).await
    });
    for ((.., line), (told, text)) in broken.iter().zip(join_all(walked).await) {
        assert!(told.held < told.steps, "{text}");
        assert!(text.contains(line), "{line}\n{text}");
        assert!(text.ends_with(&format!("\n{} of 20 steps hold.\n", told.held)), "{text}");
    }
}
