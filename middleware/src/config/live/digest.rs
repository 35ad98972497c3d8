//! A digest of what settings say, to be compared and logged.

use std::fmt;

use toml::{Table, Value};
use tower_identity_core::Fingerprint;

/// The names of fields that hold a secret. It may be short enough to be guessed, and a digest tells whether a guess is right.
const SECRETS: [&str; 1] = ["client_secret"];

/// A SHA-256 digest of what the tables `[inbound]`, `[outbound]` and `[edge]` of a settings file say: equal for two files that say the
/// same, in whatever order and layout and with whatever comments. Shown in hexadecimal.
///
/// It may be logged: secrets that stand in the file are left out, and so are the files that it names. Two services with
/// one digest go by the same settings.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SettingsDigest(Fingerprint);

impl SettingsDigest {
    pub(super) fn of(file: &Table) -> Self {
        let part = |name: &str| file.get(name).map_or_else(|| table(&Table::new()), value);
        let [inbound, outbound, edge] = ["inbound", "outbound", "edge"].map(part);
        let digest = Fingerprint::of("settings").field(inbound.as_bytes()).field(outbound.as_bytes());
        Self(digest.field(edge.as_bytes()).finish())
    }
}

fn value(value: &Value) -> Fingerprint {
    match value {
        Value::Table(entries) => table(entries),
        Value::Array(members) => {
            Fingerprint::of("array").list(members.iter().map(|member| *self::value(member).as_bytes())).finish()
        }
        scalar => Fingerprint::of("scalar").field(scalar.type_str()).field(scalar.to_string()).finish(),
    }
}

fn table(entries: &Table) -> Fingerprint {
    let mut entries: Vec<_> = entries.iter().filter(|(name, _)| !SECRETS.contains(&name.as_str())).collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    let mut digest = Fingerprint::of("table");
    for (name, entry) in entries {
        digest = digest.field(name).field(value(entry).as_bytes());
    }
    digest.finish()
}

impl fmt::Display for SettingsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SettingsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> SettingsDigest {
        SettingsDigest::of(&toml::from_str(text).expect("well formed"))
    }

    #[test]
    fn layout_and_secrets_make_no_difference_and_everything_else_does() {
        let file =
            "[inbound]\nrealm = 'orders'\nsources = ['a', 'b']\n[inbound.server]\nid = 'x'\nclient_secret = 'one'\n";
        let same = [
            "# ours\n[inbound]\nsources = [ 'a',\n 'b' ]\nrealm = \"orders\"\nserver = { client_secret = 'two', id = 'x' }\n",
            "[service]\nlisten = 1\n[inbound]\nrealm = 'orders'\nsources = ['a', 'b']\n[inbound.server]\nid = 'x'\n",
        ];
        for other in same {
            assert_eq!(digest(file), digest(other), "{other}");
        }
        for (from, to) in
            [("'orders'", "'stock'"), ("realm", "realn"), ("'a', 'b'", "'b', 'a'"), ("'a', 'b'", "'ab'"), ("'x'", "1")]
        {
            assert_ne!(digest(file), digest(&file.replace(from, to)), "{to}");
        }
        assert_ne!(digest("[inbound]\na = 1"), digest("[outbound]\na = 1"));
        assert_ne!(digest("[edge]\na = 1"), digest("[edge]\na = 2"));
        assert_ne!(digest("inbound = 1"), digest("inbound = '1'"));
        assert_eq!(digest(""), digest("[inbound]"));
        assert_eq!(digest(file).to_string().len(), 64);
    }
}
