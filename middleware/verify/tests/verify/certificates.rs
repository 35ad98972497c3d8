//! Client certificates as the caller's credential: every attack beside a control that differs in one thing.

mod beside;
mod building;
mod remembered;
mod roots;
mod waiting;

use std::{error::Error, net::Ipv4Addr, time::Duration};

use rustls_pki_types::CertificateDer;
use tower_identity_core::{CallerContext, Evidence, Issuer, Refusal, RefusalKind, Scopes};
use tower_identity_testkit::{CertificateBuilder, KeyUsage, ManualClock, TestAuthority, TestCertificate};
use tower_identity_verify::{CertificateAnchor, NameKind, TrustedIssuer, Verifier, VerifierBuilder};

const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);
const PKI: &str = "https://pki.example";
const STOREFRONT: &str = "spiffe://example.org/storefront";

/// Two trust domains and a private authority.
struct House {
    time: ManualClock,
    spire: TestAuthority,
    partner: TestAuthority,
    pki: TestAuthority,
}

impl House {
    fn new() -> Self {
        let time = ManualClock::new();
        let [spire, partner, pki] = [(); 3].map(|()| TestAuthority::new(&time.clock()));
        Self { time, spire, partner, pki }
    }

    fn builder(&self) -> VerifierBuilder {
        self.trusting(TrustedIssuer::discover("https://login.example.com").audience("orders"))
    }

    fn trusting(&self, home: TrustedIssuer) -> VerifierBuilder {
        Verifier::builder(home)
            .certificates(CertificateAnchor::trust_domain("example.org", self.spire.pem()))
            .certificates(CertificateAnchor::trust_domain("partner.org", self.partner.pem()))
            .certificates(CertificateAnchor::private_authority(PKI, NameKind::Dns, self.pki.pem()))
            .clock(self.time.clock())
    }

    fn verifier(&self) -> Verifier {
        self.builder().build().expect("valid")
    }

    fn svid(&self) -> CertificateBuilder<'_> {
        self.spire.certificate().uri(STOREFRONT)
    }

    /// What becomes of it at a verifier that has not seen it.
    fn judge(&self, certificate: CertificateBuilder<'_>) -> Result<String, String> {
        told(self.verifier().certificate(certificate.build().chain()))
    }
}

/// Whom it names; or why it is refused, which is always one kind and one check.
#[track_caller]
fn told(decision: Result<CallerContext, Refusal>) -> Result<String, String> {
    let caller = decision.map_err(|refusal| {
        assert_eq!((refusal.kind(), refusal.check()), (&RefusalKind::InvalidToken, "certificate"), "{refusal:?}");
        let cause = refusal.source().map(|cause| cause.to_string().split(['(', ' ']).next().unwrap_or("").to_owned());
        let detail = refusal.explanation().unwrap_or_default().to_owned();
        cause.map_or(detail.clone(), |cause| format!("{detail}: {cause}"))
    })?;
    let workload = caller.principal().workload();
    Ok(format!("{} of {}", workload.id, workload.issuer))
}

fn storefront() -> Result<String, String> {
    Ok("spiffe://example.org/storefront of spiffe://example.org".to_owned())
}

fn no_way(why: &str) -> Result<String, String> {
    Err(format!("no way leads from it to a root that is trusted: {why}"))
}

fn refused(detail: &str) -> Result<String, String> {
    Err(detail.to_owned())
}

#[test]
fn cert_a1_a_chain_leads_to_a_root_of_its_own_anchor() {
    let house = House::new();
    let now = house.time.clock().wall();
    assert_eq!(house.judge(house.svid()), storefront());

    let stranger = TestAuthority::new(&house.time.clock());
    assert_eq!(house.judge(stranger.certificate().uri(STOREFRONT)), no_way("InvalidSignatureForPublicKey"));

    let between = house.spire.under(now, now.saturating_add(DAY));
    let under = between.certificate().uri(STOREFRONT).build();
    assert_eq!(under.chain().len(), 2);
    assert_eq!(told(house.verifier().certificate(under.chain())), storefront());
    assert_eq!(told(house.verifier().certificate(&under.chain()[..1])), no_way("InvalidSignatureForPublicKey"));

    assert_eq!(told(house.verifier().certificate(&[])), refused("there is none"));
    let garbage = [CertificateDer::from(b"not a certificate".to_vec())];
    assert!(told(house.verifier().certificate(&garbage)).is_err_and(|told| told.starts_with("it cannot be read")));
}

/// The trust domain of the SPIFFE ID says whose roots are asked, and no other's answer counts.
#[test]
fn cert_a2_a_root_vouches_for_its_own_trust_domain_alone() {
    let house = House::new();
    let partner = "spiffe://partner.org/audit";
    assert_eq!(house.judge(house.partner.certificate().uri(partner)), Ok(format!("{partner} of spiffe://partner.org")));
    assert_eq!(house.judge(house.spire.certificate().uri(partner)), no_way("InvalidSignatureForPublicKey"));
    assert_eq!(house.judge(house.partner.certificate().uri(STOREFRONT)), no_way("InvalidSignatureForPublicKey"));
    assert_eq!(
        house.judge(house.pki.certificate().dns("storefront").uri(STOREFRONT)),
        no_way("InvalidSignatureForPublicKey")
    );
    for other in ["spiffe://elsewhere.org/storefront", "spiffe://a.example.org/storefront", "spiffe://example.org"] {
        let untrusted = format!("{other:?} is no workload of a trust domain that is trusted");
        assert_eq!(house.judge(house.spire.certificate().uri(other)), Err(untrusted));
    }
}

#[test]
fn cert_a1_every_link_holds_now() {
    let house = House::new();
    let now = house.time.clock().wall();
    let (before, after) = (now.saturating_sub(DAY), now.saturating_add(DAY));
    let holds = |begins, ends| house.judge(house.svid().valid(begins, ends));
    assert_eq!(holds(now, now), storefront(), "both ends are within");
    assert_eq!(holds(before, now.saturating_sub(SECOND)), no_way("CertExpired"));
    assert_eq!(holds(now.saturating_add(SECOND), after), no_way("CertNotValidYet"));

    let under = |begins, ends| house.judge(house.spire.under(begins, ends).certificate().uri(STOREFRONT));
    assert_eq!(under(before, now), storefront());
    assert_eq!(under(before, now.saturating_sub(SECOND)), no_way("CertExpired"));

    let rooted = |begins, ends| {
        let root = TestAuthority::root(&house.time.clock(), begins, ends);
        let anchor = CertificateAnchor::trust_domain("example.org", root.pem());
        let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
        let verifier = Verifier::builder(home).certificates(anchor).clock(house.time.clock()).build().expect("valid");
        told(verifier.certificate(root.certificate().uri(STOREFRONT).build().chain()))
    };
    assert_eq!(rooted(before, now), storefront());
    assert_eq!(rooted(before, now.saturating_sub(SECOND)), refused("the root has ended, or not begun"));
    assert_eq!(rooted(now.saturating_add(SECOND), after), refused("the root has ended, or not begun"));
}

/// The context ends with the first of the links, right after its last second.
#[test]
fn cert_a1_what_was_verified_ends_with_its_first_link() {
    let house = House::new();
    let now = house.time.clock().wall();
    let at = |days: u32| now.saturating_add(DAY * days);
    let between = house.spire.under(now, at(2));
    for (leaf, ends) in [(1, 1), (3, 2)] {
        let certificate = between.certificate().uri(STOREFRONT).valid(now, at(leaf)).build();
        let caller = house.verifier().certificate(certificate.chain()).expect("good");
        assert_eq!(caller.principal().expires_at(), at(ends).saturating_add(SECOND));
    }
}

#[test]
fn cert_a2_an_svid_has_one_uri_name_and_it_is_a_workloads() {
    let house = House::new();
    assert_eq!(house.judge(house.svid().dns("storefront.internal").address(Ipv4Addr::LOCALHOST.into())), storefront());
    let two = refused("an X.509-SVID with 2 URI names");
    assert_eq!(house.judge(house.svid().uri("spiffe://example.org/orders")), two);
    assert_eq!(house.judge(house.svid().uri(STOREFRONT)), two);
    assert_eq!(house.judge(house.svid().uri("https://example.org/storefront")), two);
    let shouted = "SPIFFE://example.org/storefront";
    let no_other_spelling = format!("{shouted:?} is no workload of a trust domain that is trusted");
    assert_eq!(house.judge(house.spire.certificate().uri(shouted)), Err(no_other_spelling));
    for nameless in [house.spire.certificate(), house.spire.certificate().common_name(STOREFRONT)] {
        assert_eq!(
            house.judge(nameless),
            no_way("InvalidSignatureForPublicKey"),
            "that of the private authority is asked"
        );
    }
}

#[test]
fn cert_a3_a_leaf_is_no_authority_and_its_key_a_clients() {
    use KeyUsage::{Certificates, Encipherment, RevocationLists, Signatures};
    let house = House::new();
    assert_eq!(house.judge(house.svid().authority()), no_way("CaUsedAsEndEntity"));
    assert_eq!(house.judge(house.svid().of_a_server()), no_way("RequiredEkuNotFoundContext"));

    let of = |usages: &[KeyUsage]| house.judge(house.svid().key_usages(usages.iter().copied()));
    let private =
        |usages: &[KeyUsage]| house.judge(house.pki.certificate().dns("storefront").key_usages(usages.iter().copied()));
    assert_eq!(of(&[Signatures, Encipherment]), storefront());
    assert_eq!(of(&[Encipherment]), refused("its key is not for signatures"));
    assert_eq!(of(&[Signatures, Certificates]), refused("its key signs certificates"));
    assert_eq!(of(&[Signatures, RevocationLists]), refused("its key signs certificates"));
    assert_eq!(of(&[]), refused("an X.509-SVID without a key usage"));
    assert_eq!(private(&[]), Ok(format!("storefront of {PKI}")), "where it does not say, it is for everything");
    assert_eq!(private(&[Encipherment]), refused("its key is not for signatures"));
}

#[test]
fn cert_a4_a_private_authoritys_certificate_has_one_name_of_its_kind() {
    let house = House::new();
    let of = |certificate: CertificateBuilder<'_>| house.judge(certificate);
    let named = |name: &str| Ok(format!("{name} of {PKI}"));
    let plain = || house.pki.certificate();
    assert_eq!(of(plain().dns("storefront.internal")), named("storefront.internal"));
    assert_eq!(of(plain().dns("storefront").address(Ipv4Addr::LOCALHOST.into())), named("storefront"));
    assert_eq!(of(plain().dns("storefront").uri("urn:shop:storefront")), named("storefront"));
    assert_eq!(of(plain().dns("a").dns("b")), refused("it has 2 DNS names, and one is the workload's"));
    assert_eq!(of(plain().dns("*.internal")), refused("its DNS name is a wildcard"));
    let none = refused("it has 0 DNS names, and one is the workload's");
    assert_eq!(of(plain().common_name("storefront")), none);
    assert_eq!(of(plain().uri("urn:shop:storefront")), none);

    let by_uri = CertificateAnchor::private_authority(PKI, NameKind::Uri, house.pki.pem());
    let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    let by_uri = Verifier::builder(home).certificates(by_uri).clock(house.time.clock()).build().expect("valid");
    let of = |certificate: CertificateBuilder<'_>| told(by_uri.certificate(certificate.build().chain()));
    assert_eq!(of(plain().uri("urn:shop:storefront").dns("a").dns("b")), named("urn:shop:storefront"));
    assert_eq!(of(plain().uri("urn:a").uri("urn:b")), refused("it has 2 URI names, and one is the workload's"));
    assert_eq!(of(plain().dns("storefront")), refused("it has 0 URI names, and one is the workload's"));
}

/// Work on what a client made up is bounded.
#[test]
fn cert_a1_a_chain_is_short() {
    let house = House::new();
    let good = house.svid().build();
    let padded = |more: usize| -> Vec<_> { good.chain().iter().cycle().take(1 + more).cloned().collect() };
    assert_eq!(told(house.verifier().certificate(&padded(3))), storefront());
    let long = told(house.verifier().certificate(&padded(4))).expect_err("too long");
    assert!(long.starts_with("a chain of 5 certificates, "), "{long}");
    let large = [good.chain()[0].clone(), CertificateDer::from(vec![0; 64 * 1024])];
    let large = told(house.verifier().certificate(&large)).expect_err("too large");
    assert!(large.starts_with("a chain of 2 certificates, "), "{large}");
}

#[test]
fn cert_a10_a_certificate_is_its_workload_alone() {
    let house = House::new();
    let caller = house.verifier().certificate(house.svid().build().chain()).expect("good");
    let principal = caller.principal();
    assert_eq!((principal.evidence(), principal.user()), (Evidence::Proven, None));
    assert_eq!(
        (principal.scopes(), caller.for_itself().principal().scopes().clone()),
        (&Scopes::default(), Scopes::default())
    );
    assert!(caller.user_token().is_none() && principal.audience().is_empty());
    assert_eq!(caller.sender(), Some(principal.workload()));
    assert_eq!(caller.judged_at(), house.time.clock().wall());
    assert!(!caller.caller_token().is_of_home());
}

#[test]
fn anchors_have_names() {
    let verifier = House::new().verifier();
    let names: Vec<_> = verifier.certificate_issuers().map(|issuer| issuer.to_string()).collect();
    assert_eq!(names, ["spiffe://example.org", "spiffe://partner.org", PKI]);
    let pki = Issuer::parse(PKI).expect("an issuer");
    assert_eq!(verifier.anchor_of(&pki), Some(pki.clone()));
    assert!(verifier.issuers().all(|issuer| issuer != pki), "of tokens");
}

/// Of the certificate or of its key, nothing is in an event or an error.
#[test]
fn cert_a8_nothing_of_a_certificate_prints() {
    let house = House::new();
    let certificate: TestCertificate = house.svid().build();
    let caller = house.verifier().certificate(certificate.chain()).expect("good");
    let printed = format!("{caller:?} {certificate:?}");
    let der = certificate.chain()[0].iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(printed.contains(STOREFRONT) && !printed.contains(&der[..40]), "{printed}");
}
