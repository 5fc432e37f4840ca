//! Signatures: of forms, and of the links in pushes.

use aws_lc_rs::{
    constant_time, digest,
    hmac::{self, HMAC_SHA256},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::config::Web;

/// Signs with a key that the ledger keeps.
#[derive(Clone)]
pub(in crate::web) struct Keys(hmac::Key);

impl Keys {
    /// The key of a ledger and a token: a changed token ends what the old one signed.
    pub(in crate::web) fn new(secret: &[u8], token: &str) -> Self {
        let ledger = hmac::Key::new(HMAC_SHA256, secret);
        let derived = hmac::sign(&ledger, token.as_bytes());
        Self(hmac::Key::new(HMAC_SHA256, derived.as_ref()))
    }

    /// The key of a ledger and the token of `[web]`, where one is set.
    pub(in crate::web) fn of(secret: &[u8], web: &Web) -> Self {
        let token = web.token.as_ref().map(ExposeSecret::expose_secret);
        Self::new(secret, token.unwrap_or_default())
    }

    /// The signature of some words, in letters that an address may hold.
    pub(in crate::web) fn sign(&self, words: &[&str]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, &joined(words)))
    }

    /// A name made of some words, the same for ever and known to nobody else.
    pub(in crate::web) fn uuid(&self, words: &[&str]) -> Uuid {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hmac::sign(&self.0, &joined(words)).as_ref()[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    /// Whether it is theirs.
    pub(in crate::web) fn verify(&self, words: &[&str], signature: &str) -> bool {
        BASE64_URL_SAFE_NO_PAD
            .decode(signature)
            .is_ok_and(|tag| hmac::verify(&self.0, &joined(words), &tag).is_ok())
    }
}

/// Each word with its length, so that no two lists of words read the same.
fn joined(words: &[&str]) -> Vec<u8> {
    let each = words.iter().map(|word| format!("{}:{word}", word.len()));
    each.collect::<String>().into_bytes()
}

/// Compares in a time that tells nothing: of two hashes, whose lengths are equal.
pub(in crate::web) fn equal(one: &str, other: &str) -> bool {
    let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
    constant_time::verify_slices_are_equal(hash(one).as_ref(), hash(other).as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_its_words_its_key_and_its_token() {
        let keys = Keys::new(b"secret", "token");
        let signature = keys.sign(&["read", "12", "34"]);
        assert!(keys.verify(&["read", "12", "34"], &signature));
        for words in [
            &["read", "123", "4"][..],
            &["again", "12", "34"],
            &["read", "12"],
        ] {
            assert!(!keys.verify(words, &signature));
        }
        let other = Keys::new(b"secret", "another");
        assert!(!other.verify(&["read", "12", "34"], &signature));
        for forged in ["", "AAAA", "=", &signature[1..]] {
            assert!(!keys.verify(&["read", "12", "34"], forged));
        }
    }

    #[test]
    fn texts_are_equal_only_to_themselves() {
        assert!(equal("abc", "abc"));
        assert!(!equal("abc", "abcd") && !equal("", "a"));
    }
}
