//! What every strategy keeps to, shown at the servers of others and at our own authority, by the acts that the room
//! `outbound` plays at the servers of its tests.
//!
//! | room | what it holds |
//! |---|---|
//! | `acts` | the acts, which are those of `outbound` |
//! | `scene` | where they are played |
//! | `way` | what stands between us and a server, and does what a server does not do when it is asked to |
//! | `offered` | which strategies a server supports, each a row |
//! | `not_offered` | what it does not, and what its refusal becomes |
//!
//! `docs/interop.md` says the same in tables.

#[path = "../../../../middleware/outbound/tests/outbound/contract/acts.rs"]
mod acts;
mod not_offered;
mod offered;
mod scene;
mod way;

use std::time::Duration;

use demo_mesh::{Addresses, Mesh};
use tower_identity::{
    CallerContext, ClientAuth, HttpClient, OutboundBuilder, Profile, RequestBuilder, SendError, SigningKey, Target,
};
use tower_identity_jose::Algorithm;
use tower_identity_testkit::LogCapture;

use self::scene::{Callers, Party, Scene, verified};
use super::{
    authgent::{Authgent, OURS},
    oauth_as::{ORDERS, OauthAs, SECRET},
    oidc_provider::OidcProvider,
};
use crate::demo::{Moved, Person, client_of, exchanged, service};

type Contract = acts::Contract<Scene>;

const USERS: [&str; 2] = ["alice", "bob"];

/// The whole of it for each strategy.
async fn is_kept(contracts: &[Contract], anew: impl AsyncFn() -> Scene) {
    let log = LogCapture::start();
    for contract in contracts {
        acts::fails_closed(contract, &anew).await;
        acts::has_a_complete_key(contract, &anew).await;
        acts::checks_what_it_gets(contract, &anew).await;
        acts::keeps_the_deadline(contract, &anew).await;
        acts::is_harmed_by_nobody(contract, &anew).await;
        acts::shows_no_secret(contract, &anew, || log.text()).await;
    }
}

#[tokio::test]
async fn out_b33_strategies_keep_to_the_contract_at_oauth_as() {
    let server = OauthAs::start(Duration::ZERO).await;
    let parties = [Party::new(&server.issuer, "orders", SECRET)];
    let mut callers = Vec::new();
    for user in USERS {
        let token = server.signed_in_as(user).await;
        callers.push(verified(&server.issuer, ORDERS, Profile::Rfc9068, &token).await);
    }
    let callers: Callers = callers.try_into().expect("two");
    is_kept(offered::AT_OAUTH_AS, async || Scene::new(&parties, callers.clone()).await).await;
}

#[tokio::test]
async fn out_b33_strategies_keep_to_the_contract_at_oidc_provider() {
    let Some(server) = OidcProvider::start().await else { return };
    let parties = [Party::new(&server.issuer, "gateway", "the secret of the gateway")];
    let mut callers = Vec::new();
    for user in USERS {
        let (token, _) = server.tokens_of(user, offered::OF_OIDC_PROVIDER).await;
        callers.push(verified(&server.issuer, offered::OF_OIDC_PROVIDER, Profile::Rfc9068, &token).await);
    }
    let callers: Callers = callers.try_into().expect("two");
    is_kept(offered::AT_OIDC_PROVIDER, async || Scene::new(&parties, callers.clone()).await).await;
}

/// Two of them: the other takes the first one's grants.
struct Authgents {
    provider: OidcProvider,
    ours: Authgent,
    theirs: Authgent,
}

impl Authgents {
    async fn start() -> Option<Self> {
        let provider = OidcProvider::start().await?;
        let ours = Authgent::start(&[&provider.issuer]).await?;
        let theirs = Authgent::start(&[&ours.issuer]).await?;
        Some(Self { provider, ours, theirs })
    }

    fn parties(&self) -> [Party; 2] {
        [&self.ours, &self.theirs].map(|server| Party::new(&server.issuer, &server.agent, &server.secret))
    }

    /// The users of the provider, as our server calls them.
    async fn callers(&self) -> Callers {
        let mut callers = Vec::new();
        for user in USERS {
            let (_, id_token) = self.provider.tokens_of(user, offered::OF_OIDC_PROVIDER).await;
            let token = self.ours.exchanged(&id_token).await;
            callers.push(verified(&self.ours.issuer, OURS, Profile::Plain, &token).await);
        }
        callers.try_into().expect("two")
    }

    /// The same, by grants of our server for the other one. Each serves once.
    async fn asserting(&self, callers: &Callers) -> Callers {
        let mut asserting = Vec::new();
        for caller in callers {
            let token = caller.caller_token().token().expect("one in a header");
            let grant = self.ours.grant(token.expose(), &self.theirs.issuer).await;
            asserting.push(verified(&self.ours.issuer, &self.theirs.issuer, Profile::Plain, &grant).await);
        }
        asserting.try_into().expect("two")
    }
}

#[tokio::test]
async fn out_b33_strategies_keep_to_the_contract_at_authgent() {
    let Some(servers) = Authgents::start().await else { return };
    let (parties, callers) = (servers.parties(), servers.callers().await);
    is_kept(offered::AT_AUTHGENT, async || Scene::new(&parties, callers.clone()).await).await;
    let anew = async || Scene::new(&parties, servers.asserting(&callers).await).await;
    is_kept(offered::AT_AUTHGENT_BY_ITS_GRANTS, anew).await;
}

#[tokio::test]
async fn out_b33_strategies_keep_to_the_contract_at_our_authority_and_the_partners() {
    let shop = Moved::new();
    let _mesh = Mesh::start(shop.directory(), Addresses::default(), "the test").await.expect("started");
    let key = std::fs::read_to_string(shop.directory().join("keys/orders.pem")).expect("a key");
    let another = SigningKey::generate(Algorithm::Es256).expect("a key");
    let auths = [
        ClientAuth::private_key_pem("orders", key.clone()).expect("usable"),
        ClientAuth::private_key_jwt("orders", another).expect("usable"),
    ];
    let ours = Party::of(&shop.origin("authority"), key.lines().nth(1).expect("base64"), auths);
    let parties = [ours, Party::basic(&shop.origin("partner"), "shop", "shop, at the partner: demo only")];
    let mut callers = Vec::new();
    for user in USERS {
        let session = Person::of(&shop).sign_in(user).await;
        let for_orders = service("orders", "orders:read orders:write");
        let token = exchanged(&client_of("storefront", &shop), &session, for_orders).await;
        callers.push(verified(&shop.origin("authority"), "orders", Profile::Rfc9068, &token).await);
    }
    let callers: Callers = callers.try_into().expect("two");
    is_kept(offered::AT_OUR_AUTHORITY, async || Scene::new(&parties, callers.clone()).await).await;
}
