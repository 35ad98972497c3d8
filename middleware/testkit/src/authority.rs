//! Certificate authorities of tests, and the client certificates that they issue.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use base64_simd::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
    date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tower_identity_core::{Clock, Timestamp};

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate authority of a test: its certificate is the root that a verifier trusts.
///
/// ```
/// use tower_identity_testkit::{ManualClock, TestAuthority};
/// use tower_identity_verify::{CertificateAnchor, TrustedIssuer, Verifier};
///
/// let clock = ManualClock::new().clock();
/// let authority = TestAuthority::new(&clock);
/// let verifier = Verifier::builder(TrustedIssuer::discover("https://login.example.com").audience("orders"))
///     .certificates(CertificateAnchor::trust_domain("example.org", authority.pem()))
///     .clock(clock)
///     .build()?;
///
/// let client = authority.certificate().uri("spiffe://example.org/storefront").build();
/// let caller = verifier.certificate(client.chain()).expect("of this authority");
/// assert_eq!(caller.principal().workload().id.as_str(), "spiffe://example.org/storefront");
/// # Ok::<(), tower_identity_core::InvalidSetting>(())
/// ```
#[derive(Debug)]
pub struct TestAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// What a client sends beside its leaf.
    between: Vec<CertificateDer<'static>>,
    clock: Clock,
}

impl TestAuthority {
    /// A root, for ten years from yesterday by this clock.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self::root(clock, clock.wall().saturating_sub(DAY), clock.wall().saturating_add(3650 * DAY))
    }

    /// A root that holds in this time.
    #[must_use]
    pub fn root(clock: &Clock, from: Timestamp, until: Timestamp) -> Self {
        let issuer = CertifiedIssuer::self_signed(parameters(from, until), key()).expect("a certificate");
        Self { issuer, between: Vec::new(), clock: clock.clone() }
    }

    /// An authority under this one, that holds in this time.
    #[must_use]
    pub fn under(&self, from: Timestamp, until: Timestamp) -> Self {
        let issuer = CertifiedIssuer::signed_by(parameters(from, until), key(), &self.issuer).expect("a certificate");
        let between = [issuer.der().clone()].into_iter().chain(self.between.iter().cloned()).collect();
        Self { issuer, between, clock: self.clock.clone() }
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A list of these certificates as revoked, in PEM, which holds until then.
    #[must_use]
    pub fn revocation_list(&self, revoked: &[&TestCertificate], until: Timestamp) -> String {
        let (day_0, now) = (date_time_ymd(1970, 1, 1), self.clock.wall().since_epoch());
        let revoked = revoked.iter().map(|certificate| RevokedCertParams {
            serial_number: certificate.serial.into(),
            revocation_time: day_0 + now,
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: day_0 + now.saturating_sub(DAY),
            next_update: day_0 + until.since_epoch(),
            crl_number: SerialNumber::from(now.as_secs()),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).and_then(|list| list.pem()).expect("a list")
    }

    /// A client's certificate, for a day from now, with the usages of an X.509-SVID and no name yet.
    pub fn certificate(&self) -> CertificateBuilder<'_> {
        let now = self.clock.wall();
        let mut parameters = parameters(now, now.saturating_add(DAY));
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        CertificateBuilder { authority: self, parameters }
    }
}

fn parameters(from: Timestamp, until: Timestamp) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let day_0 = date_time_ymd(1970, 1, 1);
    (parameters.not_before, parameters.not_after) = (day_0 + from.since_epoch(), day_0 + until.since_epoch());
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// A certificate, right or wrong in one way.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until it builds"]
pub struct CertificateBuilder<'a> {
    authority: &'a TestAuthority,
    parameters: CertificateParams,
}

impl CertificateBuilder<'_> {
    /// Adds a URI name, such as a SPIFFE ID.
    pub fn uri(mut self, uri: &str) -> Self {
        self.parameters.subject_alt_names.push(SanType::URI(uri.try_into().expect("ASCII")));
        self
    }

    /// Adds a DNS name.
    pub fn dns(mut self, name: &str) -> Self {
        self.parameters.subject_alt_names.push(SanType::DnsName(name.try_into().expect("ASCII")));
        self
    }

    /// Adds an address, as servers have that are asked for by it.
    pub fn address(mut self, address: std::net::IpAddr) -> Self {
        self.parameters.subject_alt_names.push(SanType::IpAddress(address));
        self
    }

    /// Sets the common name, which is no name of anybody.
    pub fn common_name(mut self, name: &str) -> Self {
        self.parameters.distinguished_name.push(DnType::CommonName, name);
        self
    }

    /// Holds in this time, both ends included.
    pub fn valid(mut self, from: Timestamp, until: Timestamp) -> Self {
        let of = parameters(from, until);
        (self.parameters.not_before, self.parameters.not_after) = (of.not_before, of.not_after);
        self
    }

    /// May sign certificates itself, by its constraints (`CA:TRUE`).
    pub fn authority(mut self) -> Self {
        self.parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self
    }

    /// Its key is for these.
    pub fn key_usages(mut self, usages: impl IntoIterator<Item = KeyUsage>) -> Self {
        let of = |usage| match usage {
            KeyUsage::Signatures => KeyUsagePurpose::DigitalSignature,
            KeyUsage::Encipherment => KeyUsagePurpose::KeyEncipherment,
            KeyUsage::Certificates => KeyUsagePurpose::KeyCertSign,
            KeyUsage::RevocationLists => KeyUsagePurpose::CrlSign,
        };
        self.parameters.key_usages = usages.into_iter().map(of).collect();
        self
    }

    /// It is for servers and not for clients.
    pub fn of_a_server(mut self) -> Self {
        self.parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self
    }

    /// Signs it.
    #[must_use]
    pub fn build(self) -> TestCertificate {
        let (key, parameters, serial) = self.numbered();
        let leaf = parameters.signed_by(&key, &self.authority.issuer).expect("a certificate");
        let chain = [leaf.der().clone()].into_iter().chain(self.authority.between.iter().cloned()).collect();
        TestCertificate { chain, key: key.serialize_der(), serial }
    }

    /// Signs it by its own key: no authority vouches for it.
    #[must_use]
    pub fn self_signed(self) -> TestCertificate {
        let (key, parameters, serial) = self.numbered();
        let leaf = parameters.self_signed(&key).expect("a certificate");
        TestCertificate { chain: vec![leaf.der().clone()], key: key.serialize_der(), serial }
    }

    fn numbered(&self) -> (KeyPair, CertificateParams, u64) {
        static SERIAL: AtomicU64 = AtomicU64::new(1);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut parameters = self.parameters.clone();
        parameters.serial_number = Some(serial.into());
        (key(), parameters, serial)
    }
}

/// What the key of a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyUsage {
    /// `digitalSignature`, which proves a client.
    Signatures,
    /// `keyEncipherment`.
    Encipherment,
    /// `keyCertSign`, an authority's.
    Certificates,
    /// `cRLSign`, an authority's.
    RevocationLists,
}

/// A certificate and its key.
pub struct TestCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
    serial: u64,
}

impl TestCertificate {
    /// The leaf, and what leads to the root, as a client sends them.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The key, for rustls.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone().into())
    }

    /// The chain, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    /// The key, in PEM.
    #[must_use]
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode_to_string(der))
}

/// How long the chain is.
impl std::fmt::Debug for TestCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TestCertificate({} in its chain)", self.chain.len())
    }
}
