//! The token pair, and `POST /v1/oauth/token`.

use serde_json::{Value, json};

use crate::{answer::Refusal, call::Call, settings::Settings};

/// The access token that a fake starts with.
pub(crate) const FIRST_TOKEN: &str = "ntn_fake_0123456789abcdef";

/// The one access token and the one refresh token that are accepted.
#[derive(Debug)]
pub(crate) struct Tokens {
    access: String,
    refresh: String,
    generation: u32,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { access: FIRST_TOKEN.to_owned(), refresh: "nrt_fake_0".to_owned(), generation: 0 }
    }
}

impl Tokens {
    pub(crate) fn access(&self) -> &str {
        &self.access
    }

    pub(crate) fn refresh(&self) -> &str {
        &self.refresh
    }

    /// Makes the present access token invalid; the refresh token stays valid.
    pub(crate) fn expire(&mut self) {
        self.generation += 1;
        self.access = format!("ntn_fake_{:016x}", crate::ids::mix(u64::from(self.generation)));
    }

    pub(super) fn exchange(&mut self, call: &Call, settings: &Settings) -> Result<String, Refusal> {
        let (id, secret) = &settings.oauth_client;
        let expected = format!("Basic {}", base64(format!("{id}:{secret}").as_bytes()));
        if call.header("authorization") != Some(expected.as_str()) {
            return Err(Refusal::new(401, "invalid_client", "Invalid client credentials."));
        }
        let text = |name: &str| call.field(name).and_then(Value::as_str);
        if text("grant_type") != Some("refresh_token") || text("refresh_token") != Some(self.refresh.as_str())
        {
            return Err(Refusal::new(400, "invalid_grant", "Invalid code: this code has been revoked."));
        }
        self.expire();
        self.refresh = format!("nrt_fake_{}", self.generation);
        let answer = json!({
            "access_token": self.access,
            "token_type": "bearer",
            "refresh_token": self.refresh,
            "bot_id": uuid::Uuid::nil().to_string(),
            "workspace_id": uuid::Uuid::nil().to_string(),
            "workspace_name": "Fake workspace",
            "workspace_icon": null,
            "owner": {"type": "workspace", "workspace": true},
            "duplicated_template_id": null,
        });
        Ok(answer.to_string())
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| usize::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let letter = DIGITS[bits >> (18 - 6 * digit) & 63];
            out.push(if digit <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_pads_to_four_digits() {
        assert_eq!(base64(b"a:b"), "YTpi");
        assert_eq!(base64(b"ab"), "YWI=");
        assert_eq!(base64(b"a"), "YQ==");
    }
}
