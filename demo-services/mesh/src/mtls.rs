//! Every hop over mutual TLS: a certificate authority of this run, a certificate for each program, and what their files say of it.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use tempfile::TempDir;
use tower_identity::{ClientTls, InvalidSetting};

use crate::{Mode, Part, Variation, mode::Exception};

/// The trust domain (SPIFFE) that the certificates are of.
const TRUST_DOMAIN: &str = "shop.demo";

/// Who vouches for whom they name.
pub(crate) const VOUCHES: &str = "spiffe://shop.demo";

/// The certificates, in a folder that nobody else may look into and that goes with this.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// Makes them, for programs that listen at these addresses, and on this machine.
    pub(crate) fn for_listeners_at(addresses: &[IpAddr]) -> io::Result<Self> {
        let certificates = Self { folder: tempfile::tempdir()? };
        certificates.make(addresses).map_err(io::Error::other)?;
        Ok(certificates)
    }

    fn make(&self, addresses: &[IpAddr]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = named("The authority of this run of the demo");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        // Its key is gone when this function ends.
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        fs::write(self.roots(), authority.pem())?;
        for part in Part::ALL {
            let mut parameters = CertificateParams::new(["localhost".to_owned()])?;
            parameters.distinguished_name = named(part.name());
            parameters.subject_alt_names.push(SanType::URI(spiffe_id(part).try_into()?));
            let own = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let others = addresses.iter().copied().filter(|address| !own.contains(address));
            parameters.subject_alt_names.extend(own.into_iter().chain(others).map(SanType::IpAddress));
            parameters.is_ca = IsCa::ExplicitNoCa;
            parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            parameters.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            parameters.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate()?;
            let (certificate, file) = self.of(part);
            fs::write(certificate, parameters.signed_by(&key, &authority)?.pem())?;
            fs::write(file, key.serialize_pem())?;
        }
        Ok(())
    }

    /// The certificate of the authority.
    pub(crate) fn roots(&self) -> PathBuf {
        self.file("authority-of-this-run.pem")
    }

    /// A program's certificate, and its key.
    pub(crate) fn of(&self, part: Part) -> (PathBuf, PathBuf) {
        (self.file(&format!("{}.pem", part.name())), self.file(&format!("{}.key", part.name())))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// How somebody connects who has the certificate of a program, or none.
    pub(crate) fn connecting_as(&self, part: Option<Part>) -> Result<ClientTls, InvalidSetting> {
        let builder = ClientTls::builder(self.roots());
        match part.map(|part| self.of(part)) {
            Some((certificate, key)) => builder.certificate(certificate, key).build(),
            None => builder.build(),
        }
    }

    /// What a program's file says then, at its end.
    pub(crate) fn tables(&self, part: Part, variation: Variation) -> String {
        let quoted = |path: &Path| format!("{:?}", path.display().to_string());
        let (roots, (certificate, key)) = (quoted(&self.roots()), self.of(part));
        let (certificate, key) = (quoted(&certificate), quoted(&key));
        let wanted = if is_asked_by_users(part) { "optional" } else { "required" };
        let mut tables = format!(
            "\n[tls]\ncertificate = {certificate}\nkey = {key}\nroots = {roots}\n\
             client_certificate = \"{wanted}\"\nclient_roots = {roots}\n"
        );
        if names_its_callers(part, variation) {
            tables += &format!("\n[[inbound.certificates]]\ntrust_domain = \"{TRUST_DOMAIN}\"\nroots = {roots}\n");
            for caller in [Part::Storefront, Part::Orders] {
                tables += &format!("\n[[inbound.workload]]\n{}\n", alias(caller));
            }
        }
        tables
    }
}

/// That tokens and certificates name one workload.
fn alias(caller: Part) -> String {
    format!("is = [{:?}, {{ issuer = {VOUCHES:?}, id = {:?} }}]", caller.name(), spiffe_id(caller))
}

/// Whom the certificate of a program names.
pub(crate) fn spiffe_id(part: Part) -> String {
    format!("{VOUCHES}/{}", part.name())
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Users come to these, by browsers and without certificates, or sign in there.
fn is_asked_by_users(part: Part) -> bool {
    !matches!(part, Part::Orders | Part::Payments)
}

/// Whether a program takes the certificate for its caller's credential, beside the token of the user: where the token names who
/// sends it, so that the two can be related. Where it does not, its listener asks for the certificate all the same.
pub(crate) fn names_its_callers(part: Part, variation: Variation) -> bool {
    let named = matches!(variation.mode, Mode::Exchange | Mode::Embedded);
    variation.mtls && named && !is_asked_by_users(part)
}

/// Where the certificate is the caller's credential, in the file of a program; at its end stands the [rest](Certificates::tables).
pub(crate) const REQUIRED: [(Part, (&str, &str)); 2] = [
    (Part::Orders, ("[[inbound.issuer]]\n", "[inbound]\nclient_certificate = \"required\"\n\n[[inbound.issuer]]\n")),
    (Part::Payments, ("user_source = { header = \"x-user-token\" }\n", "client_certificate = \"required\"\n")),
];

/// What cannot hold then.
pub(crate) const EXCEPTIONS: &[Exception] = &[Exception {
    at: ("Orders presents two credentials to payments: its own, and Alice's beside it", "whom payments saw"),
    found: None,
    why: "orders' certificate is its own credential here, and a token of its own beside hers would be a third",
}];
