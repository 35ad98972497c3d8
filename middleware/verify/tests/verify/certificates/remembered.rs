//! A chain that was verified once.

use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tower_identity_core::{RefusalKind, Revocation};
use tower_identity_testkit::TestCertificate;
use tower_identity_verify::{CertificateAnchor, TrustedIssuer, Verifier};

use super::{DAY, House, SECOND, STOREFRONT, no_way, storefront, told};

#[test]
fn cert_a7_a_remembered_chain_is_asked_about_its_time_again() {
    let house = House::new();
    let now = house.time.clock().wall();
    let certificate = house.svid().valid(now, now.saturating_add(DAY)).build();
    let verifier = house.verifier();
    let judge = || verifier.certificate(certificate.chain());
    let first = judge().expect("good");
    house.time.advance(DAY);
    let again = judge().expect("still good");
    assert!(Arc::ptr_eq(first.caller_token(), again.caller_token()), "nothing was verified again");
    assert_eq!(again.judged_at(), now.saturating_add(DAY), "and it is judged now");
    house.time.advance(SECOND);
    assert_eq!(told(judge()), no_way("CertExpired"));
    house.time.set_wall(now.saturating_sub(SECOND));
    assert_eq!(told(judge()), no_way("CertNotValidYet"));
    house.time.set_wall(now);
    assert_eq!(told(judge()), storefront());
}

#[test]
fn cert_a7_a_remembered_chain_is_the_same_bytes() {
    let house = House::new();
    let verifier = house.verifier();
    let good = house.svid().build();
    assert_eq!(told(verifier.certificate(good.chain())), storefront());

    // Another's name under a signature that is remembered.
    let at = |text: &[u8]| good.chain()[0].windows(text.len()).position(|bytes| bytes == text).expect("its name");
    let mut forged = good.chain()[0].to_vec();
    let name = at(STOREFRONT.as_bytes());
    forged[name + STOREFRONT.len() - 1] = b'z';
    assert_eq!(told(verifier.certificate(&[CertificateDer::from(forged)])), no_way("InvalidSignatureForPublicKey"));
    assert_eq!(told(verifier.certificate(good.chain())), storefront());
}

#[test]
fn cert_a7_what_a_verifier_remembers_is_its_own() {
    let house = House::new();
    let good = house.svid().build();
    let (one, clone) = (house.verifier(), house.verifier().clone());
    assert_eq!(told(one.certificate(good.chain())), storefront());
    assert_eq!(told(clone.certificate(good.chain())), storefront());
    let home = TrustedIssuer::discover("https://login.example.com").audience("orders");
    let other = Verifier::builder(home)
        .certificates(CertificateAnchor::trust_domain("example.org", house.partner.pem()))
        .clock(house.time.clock())
        .build()
        .expect("valid");
    assert_eq!(told(other.certificate(good.chain())), no_way("InvalidSignatureForPublicKey"));
}

/// Whoever is revoked is so on a warm memory, until it gets another certificate.
#[test]
fn ssf_a2_a_revoked_workloads_certificates_are_refused_and_later_ones_are_not() {
    let house = House::new();
    let now = house.time.clock().wall();
    let verifier = house.verifier();
    let issued = |at| house.svid().valid(at, at.saturating_add(DAY)).build();
    let (old, new) = (issued(now), issued(now.saturating_add(SECOND)));
    let other = house.spire.certificate().uri("spiffe://example.org/orders").build();
    let judge = |of: &TestCertificate| {
        verifier.certificate(of.chain()).map(drop).map_err(|refusal| (refusal.kind().clone(), refusal.check()))
    };
    assert_eq!((judge(&old), judge(&other)), (Ok(()), Ok(())));
    let (issuer, id) = ("spiffe://example.org".parse().expect("an issuer"), STOREFRONT.parse().expect("a subject"));
    verifier.revocations().revoke(Revocation::subject(issuer, id).issued_before(now));
    house.time.advance(SECOND);
    assert_eq!(judge(&old), Err((RefusalKind::InvalidToken, "revoked")));
    assert_eq!((judge(&new), judge(&other)), (Ok(()), Ok(())));
}

/// What was refused is judged again: a certificate may begin.
#[test]
fn cert_a7_a_refusal_is_not_remembered() {
    let house = House::new();
    let now = house.time.clock().wall();
    let certificate = house.svid().valid(now.saturating_add(SECOND), now.saturating_add(DAY)).build();
    let verifier = house.verifier();
    assert_eq!(told(verifier.certificate(certificate.chain())), no_way("CertNotValidYet"));
    house.time.advance(SECOND);
    assert_eq!(told(verifier.certificate(certificate.chain())), storefront());
}
