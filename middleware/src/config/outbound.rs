//! The table `[outbound]`: where a service calls on, and who it is at the servers that issue the tokens for it.

use std::{collections::BTreeMap, mem::take, path::Path};

use serde::Deserialize;
use tower_identity_core::InvalidSetting;
use tower_identity_oauth::ServerSettings;
use tower_identity_outbound::{
    HandOffSettings, HandOffs, Outbound, OutboundBuilder, Plaintext, Target, TargetSettings, Unlisted,
};

use super::{spiffe::Workload, tls::OwnTls};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboundTable {
    server: BTreeMap<String, ServerSettings>,
    #[serde(default)]
    plaintext: Plaintext,
    #[serde(default)]
    unlisted: Unlisted,
    #[serde(default)]
    strip_also: Vec<String>,
    cache_capacity: Option<usize>,
    cache_bytes: Option<u64>,
    #[serde(default)]
    target: Vec<TargetSettings>,
    #[serde(default)]
    hand_off: BTreeMap<String, HandOffSettings>,
}

impl OutboundTable {
    /// What hands work over, by the name of its table.
    pub(super) fn hand_offs(&mut self, beside: &Path) -> Result<BTreeMap<String, HandOffs>, InvalidSetting> {
        let read = |(name, settings): (String, HandOffSettings)| match settings.read(beside) {
            Ok(made) => Ok((name, made)),
            Err(invalid) => Err(invalid.within(name.as_str()).within("hand_off")),
        };
        take(&mut self.hand_off).into_iter().map(read).collect()
    }

    /// Reads the files that it names from this folder. Errors name fields below `outbound`.
    pub(super) fn build(self, beside: &Path, workload: &Workload, tls: &OwnTls) -> Result<Outbound, InvalidSetting> {
        tls.to_servers(self.builder(beside, workload)?).build()
    }

    /// The same, for an [`Outbound`] that is there already.
    pub(super) fn builder(self, beside: &Path, workload: &Workload) -> Result<OutboundBuilder, InvalidSetting> {
        let default = self.default_server()?;
        let mut servers = BTreeMap::new();
        for (name, settings) in self.server {
            let settings = workload.svid().into_iter().fold(settings, ServerSettings::svid);
            let endpoint =
                settings.token_endpoint(beside).map_err(|invalid| invalid.within(name.as_str()).within("server"))?;
            servers.insert(name, endpoint);
        }
        let default = servers.get(&default).expect("the default is one of the servers").clone();
        let mut builder =
            Outbound::builder(default).plaintext(self.plaintext).unlisted(self.unlisted).strip_also(self.strip_also);
        if let Some(entries) = self.cache_capacity {
            builder = builder.cache_capacity(entries);
        }
        if let Some(bytes) = self.cache_bytes {
            builder = builder.cache_bytes(bytes);
        }
        for (name, endpoint) in servers {
            builder = builder.server(name, endpoint);
        }
        for (at, settings) in self.target.into_iter().enumerate() {
            let target =
                Target::try_from(settings.beside(beside)).map_err(|invalid| invalid.within(at).within("target"))?;
            builder = builder.target(target);
        }
        Ok(builder)
    }

    fn default_server(&self) -> Result<String, InvalidSetting> {
        let marked: Vec<_> =
            self.server.iter().filter(|(_, settings)| settings.is_default()).map(|(name, _)| name).collect();
        let rule = match (marked.as_slice(), self.server.len()) {
            ([one], _) => return Ok((*one).clone()),
            ([], 1) => return Ok(self.server.keys().next().cloned().unwrap_or_default()),
            ([], 0) => "lists no authorization server",
            ([], _) => "of several servers, one must say default = true",
            (_, _) => "only one server may say default = true",
        };
        Err(InvalidSetting::new("server", rule))
    }
}

#[cfg(test)]
mod tests {
    use crate::Settings;

    const FILE: &str = "\
[outbound]
plaintext = 'never'

[outbound.server.login]
issuer = 'https://login.example.com'
client_id = 'orders'
client_secret = 'hidden'

[[outbound.target]]
origin = 'http://payments.internal'
audience = 'payments'
strategy = 'token_exchange'
";

    fn read(from: &str, to: &str) -> Result<(), String> {
        assert!(FILE.contains(from), "{from}");
        Settings::parse(&FILE.replacen(from, to, 1), "orders.toml").map(drop).map_err(|refused| refused.to_string())
    }

    #[test]
    fn rfc6750_b1_a_file_says_once_that_sidecars_encrypt() {
        let word = |word: &str| read("'never'", &format!("'{word}'"));
        assert_eq!(word("sidecar-mtls"), Ok(()));
        for refused in ["never", "loopback"] {
            let rule =
                "would get tokens over http; make it https, or say plaintext = \"sidecar-mtls\" where sidecars encrypt";
            assert_eq!(word(refused), Err(format!("orders.toml:10: outbound.target[0].origin: {rule}")));
        }
        let unknown = "orders.toml:2: outbound.plaintext: unknown variant `allowed`";
        assert!(word("allowed").expect_err("unknown").starts_with(unknown));
        assert_eq!(read("plaintext = 'never'", "").expect_err("the default"), word("never").expect_err("said"));
        assert_eq!(read("http://", "https://"), Ok(()));
    }

    #[test]
    fn what_concerns_all_targets_is_said_once() {
        let with = |field: &str| read("plaintext = 'never'", &format!("plaintext = 'sidecar-mtls'\n{field}"));
        for good in ["unlisted = 'bare'", "strip_also = ['x-api-*']", "cache_capacity = 10", "cache_bytes = 1048576"] {
            assert_eq!(with(good), Ok(()), "{good}");
        }
        let cases = [
            ("unlisted = 'send'", "unlisted: unknown variant `send`, expected `refuse` or `bare`"),
            ("strip_also = ['x a']", "strip_also[0]: is no name of header fields, nor the beginning of some"),
            ("cache_capacity = 0", "cache_capacity: is zero; without remembering, every request asks"),
            ("cache_bytes = 0", "cache_bytes: is zero; without remembering, every request asks"),
        ];
        for (field, expected) in cases {
            assert_eq!(with(field), Err(format!("orders.toml:3: outbound.{expected}")));
        }
    }
}
