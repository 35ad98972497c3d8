//! The key that two parties agree on: ECDH-ES (RFC 7518 §4.6).

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    digest::{Context, SHA256},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::CONTENT;
use crate::{base64url, material::Curve};

/// The public values of a party, as a JSON Web Key has them.
#[derive(Deserialize)]
pub(super) struct Party<S> {
    pub(super) kty: S,
    pub(super) crv: S,
    pub(super) x: S,
    pub(super) y: S,
}

impl<S: AsRef<str>> Party<S> {
    /// The point, uncompressed. Whether it is on the curve is not known yet.
    pub(super) fn point(&self) -> Option<Vec<u8>> {
        if self.kty.as_ref() != "EC" || self.crv.as_ref() != "P-256" {
            return None;
        }
        let mut point = vec![4];
        for coordinate in [&self.x, &self.y] {
            let coordinate = base64url::decode(coordinate.as_ref()).ok()?;
            if coordinate.len() != Curve::P256.coordinate() {
                return None;
            }
            point.extend(coordinate);
        }
        Some(point)
    }
}

/// Whether this is a point of P-256.
pub(super) fn is_on_curve(point: &[u8]) -> bool {
    aws_lc_rs::agreement::ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, point)).is_ok()
}

/// The content key that the private key and the point of the other party agree on, of 256 bits. `info` is what the parties
/// say of themselves: `apu` and `apv`. None for a point that is not on the curve.
pub(super) fn agreed_key(private: &PrivateKey, point: &[u8], info: (&[u8], &[u8])) -> Option<Zeroizing<Vec<u8>>> {
    let other = UnparsedPublicKey::new(&ECDH_P256, point);
    agree(private, other, (), |secret| Ok(derived(secret, CONTENT, info, 256))).ok()
}

/// Concat KDF with SHA-256 (NIST SP 800-56A §5.8.1), of one round: for as many bits as that has, or fewer (RFC 7518 §4.6.2).
fn derived(secret: &[u8], algorithm: &str, (apu, apv): (&[u8], &[u8]), bits: u32) -> Zeroizing<Vec<u8>> {
    let mut hash = Context::new(&SHA256);
    hash.update(&1_u32.to_be_bytes());
    hash.update(secret);
    for field in [algorithm.as_bytes(), apu, apv] {
        let length = u32::try_from(field.len()).expect("a header is far shorter than 4 GiB");
        hash.update(&length.to_be_bytes());
        hash.update(field);
    }
    hash.update(&bits.to_be_bytes());
    let length = usize::try_from(bits / 8).expect("at most 32");
    Zeroizing::new(hash.finish().as_ref()[..length].to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7518 appendix C: the agreement of Alice and Bob, on a key of 128 bits.
    #[test]
    fn rfc7518_c_the_key_that_alice_and_bob_agree_on() {
        let bytes = |text: &str| base64url::decode(text).expect("base64url");
        let alice = bytes("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
        let alice = PrivateKey::from_private_key(&ECDH_P256, &alice).expect("a key");
        let bob = Party {
            kty: "EC",
            crv: "P-256",
            x: "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            y: "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        };
        let other = bob.point().expect("a point");
        assert!(is_on_curve(&other));
        let key = agree(&alice, UnparsedPublicKey::new(&ECDH_P256, &other), (), |secret| {
            Ok(derived(secret, "A128GCM", (b"Alice", b"Bob"), 128))
        });
        assert_eq!(key.map(|key| base64url::encode(&key)), Ok("VqqN6vgjbSBcIijNcacQGg".to_owned()));
        // The control: of others, and for another content.
        let others = agree(&alice, UnparsedPublicKey::new(&ECDH_P256, &other), (), |secret| {
            Ok((
                derived(secret, "A128GCM", (b"Bob", b"Alice"), 128),
                derived(secret, "A256GCM", (b"Alice", b"Bob"), 128),
            ))
        });
        let (swapped, other_content) = others.expect("a key");
        assert_ne!(base64url::encode(&swapped), "VqqN6vgjbSBcIijNcacQGg");
        assert_ne!(base64url::encode(&other_content), "VqqN6vgjbSBcIijNcacQGg");
    }

    #[test]
    fn rfc7518_c_a_point_is_of_the_curve_and_whole() {
        let good = || Party {
            kty: "EC",
            crv: "P-256",
            x: "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            y: "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
        };
        let is_point = |party: Party<&str>| party.point().is_some_and(|point| is_on_curve(&point));
        assert!(is_point(good()));
        assert!(!is_point(Party { kty: "OKP", ..good() }));
        assert!(!is_point(Party { crv: "P-384", ..good() }));
        assert!(!is_point(Party { y: good().x, ..good() }), "off the curve");
        assert!(!is_point(Party { x: "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_P", ..good() }), "too short");
        assert!(!is_point(Party { x: "!", ..good() }));
        // The same 64 bytes, parted elsewhere.
        let [x, y] = [good().x, good().y].map(|coordinate| base64url::decode(coordinate).expect("base64url"));
        let (short, long) = (base64url::encode(&x[..31]), base64url::encode(&[&x[31..], &y].concat()));
        assert!(!is_point(Party { x: &short, y: &long, ..good() }), "two spellings of one point");
    }
}
