//! The secret by which this service gets its tokens changes in its file, while tokens are at hand.

use tower_identity_core::CallerContext;
use tower_identity_oauth::{ClientAuth, TokenEndpoint};
use tower_identity_outbound::{HttpClient, OutboundBuilder};

use crate::support::{Folder, HeardTime, World, client, echoed};

struct Stage {
    world: World,
    folder: Folder,
    time: HeardTime,
}

impl Stage {
    async fn new() -> Self {
        let stage = Self { world: World::new().await, folder: Folder::new(), time: HeardTime::default() };
        stage.folder.write("secret", "one");
        stage
    }

    /// Users' tokens, with and without a token of our own beside them, and our own.
    fn builder(&self) -> OutboundBuilder {
        let issuer = self.world.authority.issuer();
        let auth = ClientAuth::client_secret_post_files("orders", [self.folder.at("secret")]).expect("usable");
        let row = |path: &str| self.world.payments.target().path_prefix(path);
        self.world
            .builder_at(TokenEndpoint::at(issuer, format!("{issuer}/token"), auth))
            .clock(self.time.clock())
            .target(row("/users").token_exchange())
            .target(row("/acting").token_exchange().actor_token())
            .target(row("/own").client_credentials())
    }

    async fn send(&self, http: &HttpClient, path: &str, caller: &CallerContext) -> String {
        let request = http.get(self.world.payments.url(path));
        let sent = if path == "/own" { request.as_service() } else { request.on_behalf_of(caller) };
        echoed(sent.send().await).await
    }

    /// Sends again and again while time passes, until another token is sent, and for so long at most.
    async fn another(&self, http: &HttpClient, alice: &CallerContext, seconds: u64) -> bool {
        let first = self.send(http, "/users", alice).await;
        for _ in 0..seconds * 10 {
            self.time.advance(100);
            if self.send(http, "/users", alice).await != first {
                return true;
            }
        }
        false
    }
}

#[tokio::test]
async fn cauth_b2_tokens_of_a_secret_that_is_gone_are_sent_no_longer() {
    let stage = Stage::new().await;
    let http = client(&stage.builder().build().expect("outbound"));
    let alice = stage.world.caller("alice");
    let round = async || {
        let mut sent = Vec::new();
        for path in ["/users", "/acting", "/own"] {
            sent.push(stage.send(&http, path, &alice).await);
        }
        sent
    };
    let tokens = |numbers: [u32; 3]| numbers.map(|number| format!("Bearer token-{number}"));
    let first = tokens([0, 2, 3]);
    assert_eq!(round().await, first, "with an actor token before the second");
    stage.folder.write("secret", "one\n");
    assert!(!stage.another(&http, &alice, 10).await);
    assert_eq!(round().await, first, "the control: it is the same secret");

    stage.folder.write("secret", "two");
    // How long that takes is seen where the file is read; here it is as long as a thread takes to read it.
    assert!(stage.another(&http, &alice, 100).await);
    let next = tokens([4, 6, 7]);
    assert_eq!(round().await, next);
    assert_eq!(stage.world.authority.calls()[6]["actor_token"], "token-5", "another one, too");
    assert_eq!(round().await, next, "and those are kept");
}

#[tokio::test]
async fn cauth_b2_whoever_reads_the_list_again_reads_the_secret_again() {
    let stage = Stage::new().await;
    let outbound = stage.builder().build().expect("outbound");
    let (http, alice) = (client(&outbound), stage.world.caller("alice"));
    assert_eq!(stage.send(&http, "/users", &alice).await, "Bearer token-0");
    assert_eq!(outbound.replace(stage.builder()), Ok(2));
    assert_eq!(stage.send(&http, "/users", &alice).await, "Bearer token-0", "the control");
    stage.folder.write("secret", "two");
    assert_eq!(outbound.replace(stage.builder()), Ok(3));
    assert_eq!(stage.send(&http, "/users", &alice).await, "Bearer token-1");
    stage.folder.write("secret", "");
    assert_eq!(outbound.replace(stage.builder()), Ok(4));
    assert_eq!(stage.send(&http, "/users", &alice).await, "Bearer token-1", "the last good stays");
}
