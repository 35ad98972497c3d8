//! Users' names in plain text: whose are sent, beside what, and what nobody else says.

use std::sync::Arc;

use tower_identity_core::{Binding, CallerContext, Credential, Revocation, Standing, User};
use tower_identity_outbound::{
    Candidate, HttpClient, OutboundBuilder, Plaintext, RequestBuilder, SendError, Target, danger::PlainUser,
};

use crate::support::{Answer, Got, Log, World, client, is_alone, refused, run_alone, soon};

const FIELD: &str = "x-user-id";

fn http(world: &World, plain: PlainUser) -> HttpClient {
    listed(world, world.payments.target().strategy(plain))
}

fn listed(world: &World, row: Target) -> HttpClient {
    client(&world.builder().target(row).build().expect("outbound"))
}

fn named(world: &World) -> PlainUser {
    PlainUser::in_field(FIELD, world.authority.issuer())
}

async fn send(world: &World, http: &HttpClient, caller: &CallerContext) -> Result<reqwest::Response, SendError> {
    http.get(world.payments.url("/")).on_behalf_of(caller).send().await
}

fn last(world: &World) -> Got {
    world.payments.got().pop().expect("it got one")
}

fn names(got: &Got) -> Vec<&str> {
    got.headers.get_all(FIELD).iter().map(|value| value.to_str().expect("ascii")).collect()
}

/// A user whom a caller that is listed for it names, or who has come otherwise beside it.
#[expect(clippy::disallowed_methods, reason = "these tests stand where verification stands")]
fn beside(world: &World, user: &CallerContext, standing: impl Into<Standing>) -> CallerContext {
    let (caller, user) = (world.caller_without_user(), user.user_token().cloned());
    CallerContext::assertion(Arc::clone(caller.caller_token()), user, standing, world.time.clock().wall())
}

/// What a listed caller says in plain text, as verification has it.
fn only_named(world: &World, user: &str) -> CallerContext {
    let user = world.with(user, |parts| {
        let User { id, issuer, tenant } = parts.identity.user.clone().expect("a user");
        parts.credential = Credential::Name(Box::new(User { id, issuer, tenant }));
    });
    beside(world, &user, Standing::on_trust())
}

#[tokio::test]
async fn named_b1_the_users_name_goes_beside_this_services_own_token() {
    let world = World::new().await;
    let http = http(&world, named(&world));
    for user in ["alice", "bob", "alice"] {
        send(&world, &http, &world.caller(user)).await.expect("sent");
        let got = last(&world);
        assert_eq!((names(&got), got.authorization().len()), (vec![user], 1));
        let call = world.authority.call_of(got.authorization()[0]);
        assert_eq!((&*call["grant_type"], &*call["audience"]), ("client_credentials", "payments"));
        let texts: Vec<_> = got.headers.values().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        assert!(!texts.iter().any(|text| text.contains("token-of-")), "nothing of the user's token: {texts:?}");
    }
    assert_eq!(world.authority.calls().len(), 1, "nobody is asked for a name");

    http.get(world.payments.url("/")).as_service().send().await.expect("sent");
    assert_eq!((names(&last(&world)), last(&world).authorization().len()), (vec![], 1));
}

#[tokio::test]
async fn named_b2_nobody_else_says_who_the_user_is() {
    let world = World::new().await;
    let field = "x-shop-customer";
    let plain = PlainUser::in_field(field, world.authority.issuer());
    let other = world.payments.target().path_prefix("/own").client_credentials();
    let builder = world.builder().target(world.payments.target().strategy(plain)).target(other);
    let http = client(&builder.build().expect("outbound"));
    let forged = |path: &str| {
        let request = http.get(world.payments.url(path));
        let spelled = |request: RequestBuilder, name: &str| request.header(name, "mallory");
        ["x-shop-customer", "X_Shop_Customer", "x.shop.customer"].into_iter().fold(request, spelled)
    };
    let seen = || {
        let got = last(&world);
        let texts = |value: &http::HeaderValue| value.to_str().expect("ascii").to_owned();
        assert!(got.headers.values().all(|value| value != "mallory"), "{:?}", got.headers);
        got.headers.get_all(field).iter().map(texts).collect::<Vec<_>>()
    };
    forged("/").header("connection", field).on_behalf_of(&world.caller("alice")).send().await.expect("sent");
    assert_eq!((seen(), last(&world).headers.get("connection").cloned()), (vec!["alice".to_owned()], None));
    forged("/").as_service().send().await.expect("sent");
    assert_eq!(seen(), [""; 0]);
    forged("/own").send().await.expect("sent");
    assert_eq!(seen(), [""; 0], "nor of any other row's request");
    // The control: where no row has the field, it is one like any other.
    let unlisted = listed(&world, world.payments.target().client_credentials());
    unlisted.get(world.payments.url("/")).header(field, "mallory").send().await.expect("sent");
    assert_eq!(last(&world).headers[field], "mallory");
}

#[tokio::test]
async fn named_b3_only_users_of_the_named_issuer_and_tenant_are_named() {
    let world = World::new().await;
    let http = http(&world, named(&world));
    let theirs = world.of_issuer("https://other.example", Some("alice"), "theirs", 300);
    let (check, text) = refused(send(&world, &http, &theirs).await);
    assert_eq!(check, "subject_issuer");
    assert!(text.contains("and the caller's user is one of https://other.example"), "{text}");
    let of_acme = world.of_tenant(Some("acme"), "alice", &["orders"], &serde_json::json!({}));
    let (check, text) = refused(send(&world, &http, &of_acme).await);
    assert!(check == "tenant" && text.contains("make a row for these"), "{text}");
    assert_eq!(refused(send(&world, &http, &world.caller_without_user()).await).0, "no_user");
    assert_eq!(refused(http.get(world.payments.url("/")).send().await).0, "no_caller");
    assert_eq!((world.payments.got().len(), world.authority.calls().len()), (0, 0), "zero requests");
    send(&world, &http, &world.caller("alice")).await.expect("the control");

    // A row for that tenant names those, and nobody of another.
    let row = world.payments.target().subjects_of(world.authority.issuer()).tenant("acme");
    let http = listed(&world, row.strategy(named(&world)));
    send(&world, &http, &of_acme).await.expect("sent");
    assert_eq!(names(&last(&world)), ["alice"]);
    assert_eq!(refused(send(&world, &http, &world.caller("alice")).await).0, "target");
}

#[tokio::test]
async fn named_b3_a_name_that_a_service_of_ours_would_not_hear_is_not_sent() {
    let world = World::new().await;
    let http = http(&world, named(&world));
    let (longest, longer) = ("a".repeat(256), "a".repeat(257));
    for (user, check) in [
        ("alice,bob", Err("plain_user")),
        ("alice smith", Err("plain_user")),
        ("al\u{ef}ce", Err("plain_user")),
        (&longer, Err("credential_bytes")),
        (&longest, Ok(())),
        ("auth0|5f7c@shop", Ok(())),
    ] {
        let before = world.payments.got().len();
        let sent = send(&world, &http, &world.caller(user)).await;
        let sent = sent.map(drop).map_err(|error| error.refusal().expect("refused").check());
        assert_eq!((sent, world.payments.got().len() - before), (check, usize::from(check.is_ok())), "{user}");
        if check.is_ok() {
            assert_eq!(names(&last(&world)), [user]);
        }
    }
}

#[tokio::test]
async fn named_b4_whom_nothing_ties_to_the_caller_is_not_named() {
    let world = World::new().await;
    let (strict, passing) = (http(&world, named(&world)), http(&world, named(&world).pass_on()));
    let alice = || world.caller("alice");
    for (caller, by_strict, by_passing) in [
        (beside(&world, &alice(), Binding::IssuerNamed), Ok(()), Ok(())),
        (only_named(&world, "alice"), Err("binding"), Ok(())),
        (beside(&world, &alice(), Standing::on_trust()), Err("binding"), Ok(())),
        // Nobody has said that this caller's word counts.
        (beside(&world, &alice(), Binding::None), Err("binding"), Err("binding")),
        (beside(&world, &alice(), Binding::SelfAsserted), Err("binding"), Err("binding")),
        (beside(&world, &alice(), Binding::SelfAsserted).at_its_word(), Err("binding"), Err("binding")),
        (beside(&world, &alice(), Binding::Deferred), Err("binding"), Err("binding")),
        (beside(&world, &alice(), Binding::Deferred).at_its_word(), Err("binding"), Err("binding")),
    ] {
        for (http, expected) in [(&strict, by_strict), (&passing, by_passing)] {
            let before = world.payments.got().len();
            let sent = send(&world, http, &caller).await.map(drop);
            let sent = sent.map_err(|error| error.refusal().expect("refused").check());
            let binding = caller.principal().binding();
            assert_eq!(sent, expected, "{binding:?}");
            assert_eq!(world.payments.got().len() - before, usize::from(expected.is_ok()), "{binding:?}");
        }
    }
    let text = refused(send(&world, &strict, &only_named(&world, "alice")).await).1;
    assert!(text.contains("say pass_on"), "{text}");
    // What is named is passed on as a name, and by nothing else.
    let exchanging = listed(&world, world.payments.target().token_exchange());
    assert_eq!(refused(send(&world, &exchanging, &only_named(&world, "alice")).await).0, "binding");
    assert!(world.authority.calls().iter().all(|call| call["grant_type"] == "client_credentials"));
}

#[tokio::test]
async fn named_b4_it_ends_with_the_users_credential() {
    let world = World::new().await;
    let http = http(&world, named(&world).pass_on());
    let [alice, bob, carol] = [world.caller("alice"), world.caller("bob"), only_named(&world, "carol")];
    for caller in [&alice, &bob, &carol] {
        send(&world, &http, caller).await.expect("sent");
    }
    let login = || world.authority.issuer().parse().expect("issuer");
    for user in ["alice", "carol"] {
        world.revocations.revoke(Revocation::subject(login(), user.parse().expect("id")));
    }
    for revoked in [&alice, &carol] {
        assert_eq!(refused(send(&world, &http, revoked).await).0, "revoked");
    }
    send(&world, &http, &bob).await.expect("the control");
    world.time.advance(3600);
    assert_eq!(refused(send(&world, &http, &bob).await).0, "exp");
    assert_eq!(world.payments.got().len(), 4);
}

#[tokio::test]
async fn named_b1_where_there_is_no_token_of_its_own_there_is_no_name() {
    let world = World::new().await;
    let http = http(&world, named(&world));
    world.authority.answers(Answer::error(500, "server_error"));
    assert_eq!(refused(send(&world, &http, &world.caller("alice")).await).0, "token_request");
    assert_eq!(world.payments.got().len(), 0);

    // By certificate, nobody is asked, and nothing but the name goes.
    let row = world.payments.target().strategy(named(&world).without_own_token()).plaintext(Plaintext::SidecarMtls);
    let http = listed(&world, row);
    let calls = world.authority.calls().len();
    let request = http.get(world.payments.url("/")).header("authorization", "Bearer forged");
    request.on_behalf_of(&world.caller("alice")).send().await.expect("sent");
    assert_eq!((names(&last(&world)), last(&world).authorization()), (vec!["alice"], vec![]));
    assert_eq!(world.authority.calls().len(), calls);
}

#[tokio::test]
async fn named_b5_the_way_out_is_tried_while_the_name_goes() {
    let world = World::new().await;
    let row = world.payments.target().strategy(named(&world));
    let http = listed(&world, row.candidate(Candidate::shadow().token_exchange()));
    send(&world, &http, &world.caller("alice")).await.expect("sent");
    let got = last(&world);
    assert_eq!(names(&got), ["alice"]);
    assert_eq!(world.authority.call_of(got.authorization()[0])["grant_type"], "client_credentials");
    soon(world.authority.called(2)).await;
    let asked = world.authority.calls();
    let exchanged: Vec<_> = asked.iter().filter_map(|call| call.get("subject_token")).collect();
    assert_eq!(exchanged, ["token-of-alice"]);
}

/// Hears everything, whatever thread says it, only in a process of its own.
#[tokio::test]
async fn named_b5_it_is_told_of_when_it_is_listed_and_not_again() {
    if !is_alone() {
        return run_alone("plain_user::named_b5_it_is_told_of_when_it_is_listed_and_not_again", Vec::new()).await;
    }
    let log = Log::default();
    tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    let told = || log.text().lines().filter(|line| line.contains("users are named to a target in plain text")).count();
    let world = World::new().await;
    let row = |path: &str, plain: PlainUser| world.payments.target().path_prefix(path).strategy(plain);
    let list = |rows: Vec<Target>| rows.into_iter().fold(world.builder(), OutboundBuilder::target);
    let outbound = list(vec![world.payments.target().client_credentials()]).build().expect("outbound");
    assert_eq!(told(), 0);
    outbound.replace(list(vec![row("/a", named(&world))])).expect("replaced");
    let text = log.text();
    let line = text.lines().find(|line| line.contains("in plain text")).expect("told");
    let users_of = format!("users_of=\"{}\" pass_on=false", world.authority.issuer());
    assert!(line.contains("WARN tower_identity::binding") && line.contains("/a") && line.contains(&users_of), "{line}");
    outbound.replace(list(vec![row("/a", named(&world)), row("/b", named(&world).pass_on())])).expect("replaced");
    assert_eq!(told(), 2, "of the new one alone");
    outbound.replace(list(vec![row("/b", named(&world).pass_on())])).expect("replaced");
    assert_eq!(told(), 2);

    let request = |user: &str| client(&outbound).get(world.payments.url("/b")).on_behalf_of(&world.caller(user));
    request("alice-liddell").send().await.expect("sent");
    assert_eq!(refused(request("alice,liddell").send().await).0, "plain_user");
    let log = log.text();
    assert!(log.contains("token obtained") && log.contains("request not sent"), "it was heard");
    assert!(!log.contains("liddell"), "nobody is named in a log");
}
