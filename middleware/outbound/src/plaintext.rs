//! Whether a token may travel without TLS.

use serde::Deserialize;
use tower_identity_core::InvalidSetting;

use crate::origin::Origin;

/// Whether a token may go to a target without TLS. Said of one [target](crate::Target::plaintext), or of
/// [all that say nothing](crate::OutboundBuilder::plaintext).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Plaintext {
    /// Never: every target is an `https` origin. The default.
    #[default]
    Never,
    /// On this machine only: `localhost` or a loopback address, for development and for a proxy beside this service.
    Loopback,
    /// Anywhere, because something below us encrypts: the sidecars of a mesh, each proving to the other who it is
    /// (mutual TLS). Whoever reads what goes between this service and its sidecar has the tokens, and so has whoever
    /// reads the network where a sidecar is missing: the names of these targets are logged when they are built.
    SidecarMtls,
}

impl Plaintext {
    /// Refuses an origin that tokens would reach in the clear against this word.
    pub(crate) fn check(self, origin: &Origin) -> Result<(), InvalidSetting> {
        if !origin.is_plaintext() {
            return Ok(());
        }
        let rule = match self {
            Self::SidecarMtls => return Ok(()),
            Self::Loopback if origin.is_loopback() => return Ok(()),
            Self::Never if origin.is_loopback() => {
                "would get tokens over http; make it https, or say plaintext = \"loopback\""
            }
            Self::Never | Self::Loopback => {
                "would get tokens over http; make it https, or say plaintext = \"sidecar-mtls\" where sidecars encrypt"
            }
        };
        Err(InvalidSetting::new("origin", rule))
    }

    /// Whether the operator is told of this target: its tokens leave this machine as something below us sends them.
    pub(crate) fn trusts_the_network(self, origin: &Origin) -> bool {
        self == Self::SidecarMtls && origin.is_plaintext() && !origin.is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6750_b1_plaintext_needs_a_word_on_this_machine_too() {
        let https = "would get tokens over http; make it https, or say plaintext = ";
        let on_loopback = Some(format!("origin: {https}\"loopback\""));
        let elsewhere = Some(format!("origin: {https}\"sidecar-mtls\" where sidecars encrypt"));
        let cases = [
            ("https://a.internal", [None, None, None], [false; 3]),
            ("http://127.0.0.1:80", [on_loopback.clone(), None, None], [false; 3]),
            ("http://localhost", [on_loopback, None, None], [false; 3]),
            ("http://a.internal", [elsewhere.clone(), elsewhere, None], [false, false, true]),
        ];
        let words = [Plaintext::Never, Plaintext::Loopback, Plaintext::SidecarMtls];
        assert_eq!(Plaintext::default(), words[0]);
        for (origin, expected, told) in cases {
            let at = Origin::parse(origin).expect("origin");
            let refused = words.map(|word| word.check(&at).err().map(|wrong| wrong.to_string()));
            assert_eq!(refused, expected, "{origin}");
            assert_eq!(words.map(|word| word.trusts_the_network(&at)), told, "{origin}");
        }
    }
}
