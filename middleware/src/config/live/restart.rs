//! What of a settings file takes effect while the service runs, and what at its next start.

use toml::{Table, Value};
use tower_identity_core::InvalidSetting;

/// The fields that take effect while the service runs: those that the verifier is made of, and the rules; and those that the
/// list of targets is. Whatever is not among them waits for a restart, fields that nobody has thought of yet included.
const LIVE: [Live; 3] = [
    Live {
        table: "inbound",
        fields: &[
            "issuer",
            "user_issuer",
            "certificates",
            READ_IF_SAID,
            "workload",
            "accept_may_act",
            "trusted_caller",
            "plain_user",
            "id_token",
            "self_asserted",
            "handed_off_by",
            "max_token_bytes",
            "max_json_depth",
            "remember",
            "rule",
        ],
        gone: "is gone, and this service has callers",
    },
    Live {
        table: "outbound",
        fields: &["server", "target", "plaintext", "unlisted", "strip_also"],
        gone: "is gone, and this service calls on",
    },
    Live { table: "edge", fields: &[], gone: "is gone, and this service is the edge" },
];

struct Live {
    table: &'static str,
    fields: &'static [&'static str],
    /// What is told of a file without the table, after one that had it.
    gone: &'static str,
}

/// A list that takes effect while the service runs, as long as there is one: whether the field that it is about is read at
/// all waits for a restart.
const READ_IF_SAID: &str = "transaction_tokens";

const RULE: &str = "takes effect at a restart only, and nothing else that this file says does before";

/// Why one file may not follow the other while the service runs: a field that waits for a restart is another, comes or
/// goes. Tables of the service's own are its own matter.
pub(super) fn waits_for_restart(before: &Table, now: &Table) -> Option<InvalidSetting> {
    LIVE.iter()
        .find_map(|live| live.waits(before, now))
        .or_else(|| own_tls(before, now))
        .or_else(|| another_workload(before, now))
}

/// Of the table `[tls]`, where it is not the service's own: all of it waits. The files that it names are followed.
fn own_tls(before: &Table, now: &Table) -> Option<InvalidSetting> {
    let [before, now] = [before, now].map(|tables| tables.get("tls").filter(|table| table.get("roots").is_some()));
    (before != now).then(|| InvalidSetting::new("tls", RULE))
}

/// Of the table `[spiffe]`, where it is not the service's own.
fn another_workload(before: &Table, now: &Table) -> Option<InvalidSetting> {
    let [before, now] = [before, now].map(|tables| tables.get("spiffe").and_then(|table| table.get("workload_api")));
    (before != now).then(|| InvalidSetting::new("workload_api", RULE).within("spiffe"))
}

impl Live {
    fn waits(&self, before: &Table, now: &Table) -> Option<InvalidSetting> {
        let of = |tables: &Table| tables.get(self.table).and_then(Value::as_table).cloned();
        let (own, other) = match (of(before), of(now)) {
            (None, Some(_)) => return Some(InvalidSetting::new(self.table, RULE)),
            (Some(_), None) => return Some(InvalidSetting::new(self.table, self.gone)),
            (own, other) => (own.unwrap_or_default(), other.unwrap_or_default()),
        };
        let is_another = |name: &&String| match name.as_str() {
            READ_IF_SAID => own.contains_key(*name) != other.contains_key(*name),
            live if self.fields.contains(&live) => false,
            _ => own.get(*name) != other.get(*name),
        };
        let waiting = other.keys().chain(own.keys()).find(is_another)?;
        Some(InvalidSetting::new(waiting.as_str(), RULE).within(self.table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
[service]
listen = '127.0.0.1:1'

[inbound]
realm = 'orders'
max_token_bytes = 1
issuer = [{ issuer = 'a' }]

[outbound.server.login]
issuer = 'a'
";

    fn waits(change: &str, to: &str) -> Option<String> {
        let tables = |text: &str| toml::from_str::<Table>(text).expect("well formed");
        assert!(FILE.contains(change), "{change}");
        let changed = FILE.replacen(change, to, 1);
        waits_for_restart(&tables(FILE), &tables(&changed)).map(|waits| waits.within("file").to_string())
    }

    #[test]
    fn what_is_not_known_to_take_effect_waits() {
        let at = |field: &str| Some(format!("file.{field}: {RULE}"));
        let gone = Some("file.outbound: is gone, and this service calls on".to_owned());
        let cases = [
            ("realm = 'orders'", "realm = 'orders' # ours", None),
            ("max_token_bytes = 1", "max_token_bytes = 2", None),
            ("max_token_bytes = 1", "", None),
            ("[{ issuer = 'a' }]", "[{ issuer = 'a' }, { issuer = 'b' }]", None),
            ("listen = '127.0.0.1:1'", "listen = '127.0.0.1:2'", None),
            ("[service]\nlisten = '127.0.0.1:1'\n", "", None),
            ("[inbound]\n", "[inbound]\nworkload = []\n", None),
            ("'orders'", "'stock'", at("inbound.realm")),
            ("realm = 'orders'\n", "", at("inbound.realm")),
            ("[inbound]\n", "[inbound]\nobserve = true\n", at("inbound.observe")),
            ("[inbound]\n", "[inbound]\nnever_heard_of = true\n", at("inbound.never_heard_of")),
            ("[inbound]\n", "[inbound]\nrevocations = { entries = 1 }\n", at("inbound.revocations")),
            ("issuer = 'a'\n", "issuer = 'b'\n", None),
            ("[outbound.server.login]\n", "[[outbound.target]]\norigin = 'a'\n[outbound.server.login]\n", None),
            ("[outbound.server.login]\n", "[outbound]\nplaintext = 'never'\n[outbound.server.login]\n", None),
            (
                "[outbound.server.login]\n",
                "[outbound]\ncache_bytes = 1\n[outbound.server.login]\n",
                at("outbound.cache_bytes"),
            ),
            ("[outbound.server.login]\nissuer = 'a'\n", "", gone),
        ];
        for (change, to, expected) in cases {
            assert_eq!(waits(change, to), expected, "{change} to {to}");
        }
        let (none, some) = (Table::new(), toml::from_str("[inbound]").expect("well formed"));
        assert_eq!(waits_for_restart(&none, &some), Some(InvalidSetting::new("inbound", RULE)));
        assert_eq!(waits_for_restart(&none, &none), None);
        let [edge, other] = ["ES256", "Ed25519"]
            .map(|key| toml::from_str(&format!("[edge]\ngenerated_key = '{key}'")).expect("formed"));
        assert_eq!(waits_for_restart(&edge, &edge), None);
        assert_eq!(waits_for_restart(&edge, &other), Some(InvalidSetting::new("generated_key", RULE).within("edge")));
        assert_eq!(waits_for_restart(&none, &edge), Some(InvalidSetting::new("edge", RULE)));
        let gone = InvalidSetting::new("edge", "is gone, and this service is the edge");
        assert_eq!(waits_for_restart(&edge, &none), Some(gone));
        let tls = |text: &str| toml::from_str::<Table>(&format!("[tls]\n{text}")).expect("well formed");
        let waits = Some(InvalidSetting::new("tls", RULE));
        assert_eq!(waits_for_restart(&none, &tls("roots = 'a'")), waits);
        assert_eq!(waits_for_restart(&tls("roots = 'a'"), &tls("roots = 'a'\nkey = 'b'")), waits);
        assert_eq!(waits_for_restart(&tls("roots = 'a'"), &none), waits);
        assert_eq!(waits_for_restart(&tls("roots = 'a'"), &tls("roots = 'a'")), None);
        assert_eq!(waits_for_restart(&tls("key = 'a'"), &tls("key = 'b'")), None);
        let spiffe = |text: &str| toml::from_str::<Table>(&format!("[spiffe]\n{text}")).expect("well formed");
        let waits = Some(InvalidSetting::new("workload_api", RULE).within("spiffe"));
        assert_eq!(waits_for_restart(&spiffe("workload_api = 'unix:a'"), &spiffe("workload_api = 'unix:b'")), waits);
        assert_eq!(waits_for_restart(&none, &spiffe("workload_api = 'unix:a'")), waits);
        assert_eq!(waits_for_restart(&spiffe("ours = 1"), &spiffe("ours = 2")), None);
        let gone = InvalidSetting::new("inbound", "is gone, and this service has callers");
        assert_eq!(waits_for_restart(&some, &none), Some(gone));
    }
}
