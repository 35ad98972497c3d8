//! `mesh token inspect`: what a service makes of a token, and why.

use std::{
    io::{self, IsTerminal, Read, stdin},
    path::PathBuf,
    process::ExitCode,
};

use base64_simd::URL_SAFE_NO_PAD;
use clap::Args;
use serde::Deserialize;
use tower_identity::{Explanation, SecretToken, Settings, SettingsError, Verdict, transaction_tokens::TYPE};

/// Longer than any token that is looked at.
const MOST: u64 = 1 << 20;

/// Explain what a service makes of a token: every check, what was expected and what was found
///
/// Ends with 0 if the token is accepted, with 1 if it is refused, and with 2 if that cannot be decided: its issuer's keys
/// are out of reach, the settings are wrong, or there is no token. A transaction token is looked at as what a request has in
/// Txn-Token, where the settings say whose are accepted.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The service's settings, whose table [inbound] says which tokens it accepts
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The token, which others can then read in the shell's history and in the list of processes: leave it out, or write
    /// `-`, to have it read from standard input
    token: Option<SecretToken>,
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// The settings break a rule.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is nothing but white space on standard input.
    #[error("there is no token on standard input")]
    NoToken,
    /// Standard input, or the system.
    #[error("the token cannot be read")]
    Unreadable(#[from] io::Error),
}

impl Inspect {
    /// Prints the explanation, and says by the exit code what becomes of the token.
    ///
    /// # Errors
    ///
    /// [`InspectError`] when the settings are wrong, or the token cannot be read.
    pub async fn run(self) -> Result<ExitCode, InspectError> {
        let verifier = Settings::from_path(&self.settings)?.verifier()?;
        let token = match self.token {
            Some(token) if token.expose() != "-" => token,
            _ => read()?,
        };
        let token = bare(token.expose());
        let explanation = match is_of_transaction(token) && verifier.trust_domains().next().is_some() {
            true => verifier.explain_transaction_token(token).await,
            false => verifier.explain(token).await,
        };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&explanation).expect("names and texts serialize"));
        } else {
            print!("{explanation}");
        }
        Ok(exit_code(&explanation))
    }
}

fn exit_code(explanation: &Explanation) -> ExitCode {
    match explanation.verdict() {
        Verdict::Accepted => ExitCode::SUCCESS,
        Verdict::Refused => ExitCode::FAILURE,
        _ => ExitCode::from(2),
    }
}

fn read() -> Result<SecretToken, InspectError> {
    if stdin().is_terminal() {
        eprintln!("Paste the token, and end it with a line break and Ctrl-D:");
    }
    let mut text = String::new();
    stdin().lock().take(MOST).read_to_string(&mut text)?;
    if text.trim().is_empty() {
        return Err(InspectError::NoToken);
    }
    Ok(SecretToken::from(text))
}

/// Whether its header says that it is a transaction token.
fn is_of_transaction(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        typ: String,
    }
    let header = token.split_once('.').and_then(|(header, _)| URL_SAFE_NO_PAD.decode_to_vec(header).ok());
    let header = header.and_then(|header| serde_json::from_slice::<Header>(&header).ok());
    // RFC 7515 §4.1.9: in whichever case, and with `application/` left out.
    header.is_some_and(|header| {
        let typ = header.typ.to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == TYPE
    })
}

/// The token itself, where it was copied together with its scheme, or with a line break.
fn bare(text: &str) -> &str {
    let text = text.trim();
    match text.split_at_checked("bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token.trim_start(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_out_of_what_was_copied_around_it() {
        for text in ["a.b.c", " a.b.c\n", "Bearer a.b.c", "bearer   a.b.c\r\n", "a.b.c\n\n"] {
            assert_eq!(bare(text), "a.b.c", "{text:?}");
        }
        for text in ["", "Bearer", "bearer.b.c", "ü.b.c", "bearerü.b.c", "a.b c"] {
            assert_eq!(bare(text), text, "{text:?}");
        }
    }
}
