//! From what is described to what can be presented.

use tower_identity_core::{InvalidSetting, SecretToken};

use super::{
    ClientAuth, In, Method,
    assertion::Signer,
    given::Given,
    prover::{Kept, Prover, Way},
    watched::{Read, ReadAs, Watched},
};
use crate::{Http, OwnToken};

impl ClientAuth {
    /// Whether everything that it names is there and can be used.
    pub(crate) fn check(&self) -> Result<(), InvalidSetting> {
        match &*self.method {
            Method::Bearer { from, .. } => from.check_whole().map_err(|wrong| wrong.within("server").within("bearer")),
            _ => self.read().map(drop),
        }
    }

    /// Reads what it names, and connects it.
    pub(crate) fn prover(&self, http: &Http) -> Result<Prover, InvalidSetting> {
        let way = match &*self.method {
            Method::Bearer { from, target } => {
                let client = from.connect(http).map_err(|wrong| wrong.within("server").within("bearer"))?;
                Way::Bearer(OwnToken::new(client, target.clone()))
            }
            _ => self.read()?.expect("everything but a bearer token is read"),
        };
        Ok(Prover { client_id: self.client_id.clone(), way })
    }

    /// Reads files, where there are some. None of what needs a server.
    fn read(&self) -> Result<Option<Way>, InvalidSetting> {
        let secret_of = |secret: &In<SecretToken>| {
            secret.kept("client_secret_file", (|secret, _| Ok(secret.clone()), ReadAs::default()))
        };
        let way = match &*self.method {
            Method::ClientSecretBasic { secret, encoding } => {
                Way::Basic { secret: secret_of(secret)?, encoding: *encoding }
            }
            Method::ClientSecretPost { secret } => Way::Post { secret: secret_of(secret)? },
            Method::PrivateKeyJwt { key, key_id, style } => {
                let read_as = ReadAs { key_id: key_id.clone(), style: style.clone() };
                let signer = key.kept("private_key_file", (Signer::read, read_as))?;
                Way::Signed { signer, style: style.clone() }
            }
            Method::Given { file, kind, audience } => {
                let read = (Given::read as Read<Given>, ReadAs::default());
                let assertion = Watched::new("client_assertion_file", std::slice::from_ref(file), read, false)?;
                Way::Given { assertion, kind: *kind, audience: audience.clone() }
            }
            Method::Bearer { .. } => return Ok(None),
        };
        Ok(Some(way))
    }
}

impl<T: Clone + Send + Sync + 'static> In<T> {
    fn kept(&self, field: &'static str, read: (Read<T>, ReadAs)) -> Result<Kept<T>, InvalidSetting> {
        match self {
            Self::This(credential) => Ok(Kept::This(credential.clone())),
            Self::Files(files) => Watched::new(field, files, read, true).map(Kept::Watched),
        }
    }
}
