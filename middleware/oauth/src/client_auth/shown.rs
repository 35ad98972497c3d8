//! What is printed of a client: who it is, and never by what it proves it.

use std::fmt;

use super::{AssertionAudience, AssertionStyle, BasicEncoding, ClientAuth, In, Method, certificate::Place};

impl fmt::Debug for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ClientAuth");
        debug.field("client_id", &self.client_id).field("method", &format_args!("{}", self.method()));
        match &*self.method {
            Method::ClientSecretBasic { secret: In::Files(files), .. }
            | Method::ClientSecretPost { secret: In::Files(files) }
            | Method::PrivateKeyJwt { key: In::Files(files), .. } => {
                debug.field("files", files);
            }
            Method::Certificate { place: Place::Files(files), .. } => {
                debug.field("files", files);
            }
            Method::Certificate { place: Place::Posted(posted), .. } => {
                debug.field("posted", &posted.name());
            }
            Method::Given { file, .. } => {
                debug.field("file", file);
            }
            Method::Bearer { from, target } => {
                debug.field("from", from).field("target", target);
            }
            _ => {}
        }
        match &*self.method {
            Method::ClientSecretBasic { encoding: BasicEncoding::None, .. } => {
                debug.field("basic_encoding", &BasicEncoding::None);
            }
            Method::PrivateKeyJwt { style, .. } if *style != AssertionStyle::default() => {
                debug.field("assertion", style);
            }
            Method::Given { audience, .. } if *audience != AssertionAudience::Issuer => {
                debug.field("audience", audience);
            }
            _ => {}
        }
        debug.finish()
    }
}
