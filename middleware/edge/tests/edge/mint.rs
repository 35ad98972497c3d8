//! What is made of whom.

use std::time::Duration;

use serde_json::{Value, json};
use tower_identity_core::{
    Attributes, AuthenticationContext, Binding, CallerContext, Email, Groups, Principal, Refusal, RefusalKind, Subject,
    Timestamp,
};
use tower_identity_edge::{Attribute, Mint, MintError, Minted, Pairwise, TrustDomain};
use tower_identity_jose::KeyedHash;
use tower_identity_testkit::{LogCapture, ManualClock, TestCaller};

use crate::support::{SHOP, audience, builder, opened, ring, secret, shop};

/// When the clock of a test begins.
const START: u64 = 1_767_225_600;

fn alice() -> TestCaller {
    TestCaller::workload("browser").user("alice")
}

fn mint_of(domain: TrustDomain) -> Mint {
    builder(&ManualClock::new()).trust_domain(domain).build().expect("a mint")
}

fn claims(mint: &Mint, minted: &Minted) -> Value {
    opened(minted.token(), &mint.keys().keys()).1
}

fn of(mint: &Mint, caller: &CallerContext) -> Value {
    claims(mint, &mint.mint(caller, &audience(SHOP)).expect("an identity"))
}

#[test]
fn mint_c1_an_internal_identity_is_a_transaction_token_and_says_this_and_no_more() {
    let mint = mint_of(shop().scope("orders:write", "orders:write"));
    let caller = alice().scope("openid orders:write").claim("secret", "of-the-outside").context();
    let minted = mint.mint(&caller, &audience(SHOP)).expect("an identity");
    let (typ, claims) = opened(minted.token(), &mint.keys().keys());
    assert_eq!(typ, "txntoken+jwt");
    let expected = json!({
        "aud": SHOP,
        "iat": START,
        "exp": START + 60,
        "txn": minted.transaction().as_str(),
        "sub": Pairwise::new(secret()).name_of(&caller),
        "scope": "orders:write",
        "req_wl": "gateway",
        "rctx": {"src": mint.source_of(&caller)},
    });
    assert_eq!(claims, expected);
    assert_eq!(minted.ends(), Timestamp::from_secs(START + 60));
    assert!(minted.header_value().is_sensitive());
    assert_eq!(minted.header_value().as_bytes(), minted.token().expose().as_bytes());
    let another = mint.mint(&caller, &audience(SHOP)).expect("an identity");
    assert_ne!(minted.transaction(), another.transaction(), "each is a transaction of its own");
}

trait NameOf {
    fn name_of(&self, caller: &CallerContext) -> Subject;
}

impl NameOf for Pairwise {
    fn name_of(&self, caller: &CallerContext) -> Subject {
        use tower_identity_edge::UserNames as _;
        self.name(caller.principal(), &audience(SHOP)).expect("everybody has one")
    }
}

#[test]
fn mint_c1_its_issuer_is_named_where_it_has_one() {
    let clock = ManualClock::new();
    let mint = builder(&clock).trust_domain(shop()).issuer("https://gateway.internal").build().expect("a mint");
    assert_eq!(of(&mint, &alice().context())["iss"], "https://gateway.internal");
    assert_eq!(of(&mint_of(shop()), &alice().context()).get("iss"), None);
}

#[test]
fn mint_c2_it_never_outlives_what_it_is_made_of() {
    let clock = ManualClock::new();
    let mint = builder(&clock).trust_domain(shop()).lifetime(Duration::from_secs(300)).build().expect("a mint");
    let until = |second| alice().expires_at(Timestamp::from_secs(START + second)).context();
    let ends = |second| mint.mint(&until(second), &audience(SHOP)).map(|minted| minted.ends().as_secs() - START);
    for (presented, made) in [(1, 1), (299, 299), (300, 300), (301, 300), (4_000, 300)] {
        assert_eq!(ends(presented).expect("an identity"), made);
    }
    // Within the leeway of whoever verified it, or over since.
    let refusal = Refusal::from(ends(0).expect_err("it has ended"));
    assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::InvalidToken, "internal_identity"));
    // Of two credentials, the one that ends first.
    let pair = TestCaller::workload("browser").expires_at(Timestamp::from_secs(START + 5)).beside(alice()).context();
    assert_eq!(of(&mint, &pair)["exp"], START + 5);
}

#[test]
fn mint_c2_a_life_that_is_too_long_or_too_short_is_refused() {
    let clock = ManualClock::new();
    let build = |seconds| {
        let builder = builder(&clock).trust_domain(shop()).lifetime(Duration::from_secs(seconds));
        builder.build().map(drop).map_err(|wrong| wrong.to_string())
    };
    let refused = Err("lifetime: is not from 10 s to 300 s".to_owned());
    assert_eq!([build(9), build(10), build(300), build(301)], [refused.clone(), Ok(()), Ok(()), refused]);
}

#[test]
fn mint_c3_of_scopes_and_attributes_nothing_crosses_unless_it_is_listed() {
    let attributes = Attributes {
        display_name: Some("Alice".into()),
        email: Some(Email { address: "alice@example.com".into(), verified: true }),
        groups: Groups::Known(vec!["staff".into()]),
        roles: vec!["approver".into()],
    };
    let caller = alice().scope("orders:write admin").attributes(attributes.clone()).context();
    let claims = of(&mint_of(shop()), &caller);
    assert_eq!(claims["scope"], "");
    for name in ["name", "email", "email_verified", "groups", "roles"] {
        assert_eq!(claims.get(name), None, "{name}");
    }

    let all = shop()
        .scope("orders:write", "orders:place")
        .scope("orders:write", "stock:reserve")
        .scope("another", "admin")
        .attribute(Attribute::DisplayName)
        .attribute(Attribute::Email)
        .attribute(Attribute::Groups)
        .attribute(Attribute::Roles);
    let mint = mint_of(all);
    let claims = of(&mint, &caller);
    assert_eq!(claims["scope"], "orders:place stock:reserve");
    let said = ["name", "email", "email_verified", "groups", "roles"].map(|name| claims[name].clone());
    assert_eq!(said, [json!("Alice"), json!("alice@example.com"), json!(true), json!(["staff"]), json!(["approver"])]);

    // Groups that are not known are not none.
    let caller = alice().attributes(Attributes { groups: Groups::Unknown, ..attributes }).context();
    assert_eq!(of(&mint, &caller).get("groups"), None);
}

#[test]
fn mint_c3_a_scope_is_its_issuers_word_where_the_row_says_so() {
    let mint = mint_of(shop().scope_of("https://partner.example", "read", "catalogue:read").scope("write", "write"));
    let scope = |caller: TestCaller| of(&mint, &caller.scope("read write").context())["scope"].clone();
    assert_eq!(scope(alice()), "write");
    assert_eq!(scope(alice().foreign("https://partner.example")), "catalogue:read write");
    assert_eq!(scope(alice().foreign("https://partner.example/")), "write");
}

#[test]
fn mint_c4_a_user_is_somebody_else_in_each_trust_domain_and_says_nothing_of_whom() {
    let clock = ManualClock::new();
    let bank = TrustDomain::new("bank.internal", |principal: Principal<'_>, _: &tower_identity_core::Audience| {
        principal.user().filter(|user| user.id == "alice").map(|_| Subject::parse("customer-7").expect("a name"))
    });
    let mint = builder(&clock).trust_domain(shop()).trust_domain(bank).build().expect("a mint");
    let names = |caller: &CallerContext| {
        ["shop.internal", "bank.internal"].map(|domain| {
            let minted = mint.mint(caller, &audience(domain)).expect("an identity");
            claims(&mint, &minted)["sub"].as_str().expect("a name").to_owned()
        })
    };
    let [shop, bank] = names(&alice().context());
    assert_eq!((shop.len(), bank.as_str()), (43, "customer-7"));
    let name = |caller: TestCaller| names(&caller.context())[0].clone();
    assert_eq!(name(alice().scope("more")), shop, "whatever else the token says");
    let others = [name(alice().issuer("https://other.test")), name(alice().tenant("a")), name(alice().tenant("b"))];
    for (at, other) in others.iter().enumerate() {
        assert!(*other != shop && !others[at + 1..].contains(other), "{at}");
    }
    // The parts of a name do not run into each other.
    let of = |tenant: &str, user: &str| TestCaller::workload("browser").user(user).tenant(tenant).context();
    use tower_identity_edge::UserNames as _;
    let pairwise = |caller: CallerContext, key: u8| {
        Pairwise::new(KeyedHash::new([key; 32]).expect("32 bytes")).name(caller.principal(), &audience(SHOP))
    };
    assert_ne!(pairwise(of("ab", "c"), 7), pairwise(of("a", "bc"), 7));
    assert_ne!(pairwise(of("ab", "c"), 7), pairwise(of("ab", "c"), 8));
}

#[test]
fn mint_c4_the_source_is_a_keyed_hash_of_what_was_presented() {
    let mint = mint_of(shop());
    let presented = |id: &str| alice().token_id(id).context();
    let caller = presented("t-1");
    let source = of(&mint, &caller)["rctx"]["src"].clone();
    assert_eq!(source, mint.source_of(&caller));
    assert_ne!(source, mint.source_of(&presented("t-2")));
    let clock = ManualClock::new();
    let other = Mint::builder("gateway", ring(&clock), KeyedHash::new([8; 32]).expect("32 bytes"));
    let other = other.trust_domain(shop()).build().expect("a mint");
    assert_ne!(source, other.source_of(&caller), "who has not the key cannot compare");
    let all = of(&mint, &caller).to_string();
    assert!(!all.contains("t-1") && !all.contains("alice") && !all.contains("issuer.test"), "{all}");
}

#[test]
fn mint_c5_how_the_user_signed_in_is_kept() {
    let signed_in = AuthenticationContext {
        auth_time: Some(Timestamp::from_secs(START - 100)),
        acr: Some("urn:example:mfa".to_owned()),
        amr: vec!["otp".to_owned(), "pwd".to_owned()],
        session: None,
    };
    let mint = mint_of(shop());
    let caller = alice().authentication(signed_in).context();
    let mut context = of(&mint, &caller)["rctx"].clone();
    context.as_object_mut().expect("an object").remove("src");
    assert_eq!(context, json!({"acr": "urn:example:mfa", "amr": ["otp", "pwd"], "auth_time": START - 100}));
}

fn refused(caller: &CallerContext, domain: TrustDomain) -> (MintError, Refusal) {
    let error = mint_of(domain).mint(caller, &audience(SHOP)).expect_err("there is none");
    (error.clone(), error.into())
}

#[test]
fn edge_a2_nothing_is_made_of_a_caller_that_is_not_tied_to_its_user() {
    let pair = |binding| TestCaller::workload("browser").beside(alice()).binding(binding).context();
    for binding in [Binding::None, Binding::SelfAsserted] {
        let (error, refusal) = refused(&pair(binding), shop());
        assert!(matches!(error, MintError::Unrelated), "{error:?}");
        assert_eq!(refusal.kind(), &RefusalKind::UnrelatedCredentials);
    }
    assert!(mint_of(shop()).mint(&pair(Binding::IssuerNamed), &audience(SHOP)).is_ok());
}

#[test]
fn edge_a2_nothing_is_made_of_a_caller_without_a_user_nor_of_a_user_who_is_nobody_inside() {
    let (error, refusal) = refused(&TestCaller::workload("browser").context(), shop());
    assert!(matches!(error, MintError::NoUser), "{error:?}");
    assert_eq!(refusal.kind(), &RefusalKind::Denied);

    let only = |name: &'static str| {
        let is_known = move |principal: Principal<'_>, _: &tower_identity_core::Audience| {
            principal.user().filter(|user| user.id == name).map(|user| user.id.clone())
        };
        TrustDomain::new(SHOP, is_known)
    };
    let (error, refusal) = refused(&alice().context(), only("bob"));
    assert!(matches!(error, MintError::Nobody), "{error:?}");
    assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::Denied, "internal_identity"));
    assert!(!refusal.to_string().contains("alice"), "{refusal}");
    assert!(mint_of(only("alice")).mint(&alice().context(), &audience(SHOP)).is_ok());
    // Nor of one who would have the name of the edge itself.
    let gateway = TestCaller::workload("browser").user("gateway").context();
    let (error, _) = refused(&gateway, only("gateway"));
    assert!(matches!(error, MintError::Nobody), "{error:?}");
}

#[test]
fn edge_a2_another_trust_domain_than_the_mints_is_a_fault_of_ours() {
    let error = mint_of(shop()).mint(&alice().context(), &audience("other.internal")).expect_err("it has none");
    assert_eq!(error.to_string(), "the trust domain other.internal is not one of the mint's");
    assert_eq!(Refusal::from(error).kind(), &RefusalKind::Misconfigured);
}

#[test]
fn a_mint_that_breaks_a_rule_is_not_built() {
    let clock = ManualClock::new();
    let wrong = |builder: tower_identity_edge::MintBuilder| builder.build().expect_err("it breaks a rule").to_string();
    assert_eq!(wrong(builder(&clock)), "trust_domain: is missing: what identities are made for");
    assert_eq!(wrong(builder(&clock).trust_domain(shop()).trust_domain(shop())), "trust_domain[1]: is named twice");
    let scope = "a scope is one or more visible ASCII characters without quote and backslash";
    let one = wrong(builder(&clock).trust_domain(shop().scope("a", "b").scope("a", "b c")));
    assert_eq!(one, format!("trust_domain[0].scopes[1]: {scope}"));
    assert!(wrong(builder(&clock).trust_domain(shop()).issuer("")).starts_with("issuer: issuer is empty"));
    let nameless = Mint::builder(" ", ring(&clock), secret()).trust_domain(shop());
    assert!(wrong(nameless).starts_with("requesting_workload: subject is empty"));
}

#[test]
fn mint_c4_what_is_told_names_the_transaction_and_no_token_nor_user() {
    let logs = LogCapture::start();
    let mint = mint_of(shop());
    let caller = alice().context();
    let minted = mint.mint(&caller, &audience(SHOP)).expect("an identity");
    let text = logs.text();
    assert!(text.contains(minted.transaction().as_str()) && text.contains(&mint.source_of(&caller)), "{text}");
    assert!(!text.contains("alice"), "{text}");
    let secrets = [minted.token().expose(), caller.token().token().expect("a token").expose()];
    logs.assert_hides(secrets);
    let printed = format!("{mint:?} {minted:?} {:?}", mint.keys());
    assert!(!printed.contains(minted.token().expose()) && !printed.contains("alice"), "{printed}");
}
