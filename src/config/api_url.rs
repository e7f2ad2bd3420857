//! The API's base URL: only one that may get the token.

use std::net::IpAddr;

use reqwest::Url;
use serde_json::{Map, Value};

use super::{ConfigError, fields::text};

const DEFAULT: &str = "https://api.notion.com";

/// Reads the field; on a platform's cloud it may name no private address.
pub(super) fn api_url(config: &Map<String, Value>, is_cloud: bool) -> Result<Url, ConfigError> {
    let url = text(config, "api_url", "api_url")?.unwrap_or(DEFAULT);
    let url = Url::parse(url).map_err(|_parse| {
        ConfigError::ApiUrl("it is not a URL; leave it out, or give one such as https://api.notion.com")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::ApiUrl("it must not hold a user name or password; take them out"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(ConfigError::ApiUrl(
            "it must be a scheme and a host only, such as https://api.notion.com",
        ));
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    // A name with a dot at its end is the same one.
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_local_name = name == "localhost" || name.ends_with(".localhost");
    let is_loopback = name == "localhost" || address.is_some_and(|address| address.is_loopback());
    match url.scheme() {
        "https" if is_cloud && (is_local_name || address.is_some_and(is_private)) => {
            Err(ConfigError::ApiUrl("it names a private address; leave it out"))
        }
        "https" => Ok(url),
        "http" if is_cloud => Err(ConfigError::ApiUrl("only https is allowed here; leave it out")),
        "http" if is_loopback => Ok(url),
        "http" => Err(ConfigError::ApiUrl("plain http would send the token in clear; use https")),
        _ => Err(ConfigError::ApiUrl("it must begin with https://")),
    }
}

/// Whether an address is not one of the public internet
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>, and the same for IPv6).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let is_special =
                matches!(v4.octets(), [0 | 127 | 224.., ..] | [100, 64..=127, ..] | [198, 18 | 19, ..]);
            is_special || v4.is_private() || v4.is_link_local() || v4.octets().starts_with(&[192, 0, 0])
        }
        IpAddr::V6(v6) => match v6.segments() {
            // Unspecified, loopback, and IPv4 addresses in two notations.
            [0, ..] => v6.to_ipv4().is_none_or(|v4| is_private(v4.into())),
            // IPv4 addresses behind a translator.
            [0x64, 0xff9b, 0, .., seventh, eighth] => {
                let [[a, b], [c, d]] = [seventh, eighth].map(u16::to_be_bytes);
                is_private(IpAddr::from([a, b, c, d]))
            }
            // Behind a translator of one network; unique local; link-local, site-local and multicast.
            [first, second, ..] => {
                (first, second) == (0x64, 0xff9b) || matches!(first, 0xfc00..=0xfdff | 0xfe80..)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn accepts(url: &str, is_cloud: bool) -> bool {
        let config = json!({ "api_url": url });
        api_url(config.as_object().unwrap(), is_cloud).is_ok()
    }

    #[test]
    fn a_cloud_refuses_private_addresses_and_http() {
        let refused = "http://127.0.0.1:1 http://example.com https://localhost https://LOCALHOST.:8443 \
            https://api.localhost. https://127.1 https://2130706433 https://0x7f.0.0.1. \
            https://0.0.0.0 https://0.1.2.3 https://10.0.0.1 https://100.64.0.1 \
            https://100.127.255.255 https://169.254.169.254 https://172.16.0.1 https://172.31.255.255 \
            https://192.0.0.8 https://192.168.1.1 https://198.18.0.1 https://224.0.0.1 \
            https://240.0.0.1 https://255.255.255.255 https://[::] https://[::1] \
            https://[::ffff:10.0.0.1] https://[::ffff:7f00:1] https://[::127.0.0.1] \
            https://[64:ff9b::a00:1] https://[64:ff9b:1::808:808] https://[fc00::1] https://[fd00::1] https://[fdff::1] \
            https://[fe80::1] https://[febf::1] https://[fec0::1] https://[ff02::1]";
        for url in refused.split(' ') {
            assert!(!accepts(url, true), "{url}");
        }
        let public = "https://api.notion.com https://localhost.example.com https://notlocalhost https://8.8.8.8 \
            https://100.63.255.255 https://100.128.0.1 https://172.32.0.1 https://192.0.1.1 \
            https://[2606:4700::1] https://[::ffff:8.8.8.8] https://[64:ff9b::808:808]";
        for url in public.split(' ') {
            assert!(accepts(url, true), "{url}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only() {
        let refused =
            ["http://api.localhost", "http://[::ffff:127.0.0.1]", "http://0.0.0.0", "http://10.0.0.1"];
        for url in refused {
            assert!(!accepts(url, false), "{url}");
        }
        let accepted = ["http://127.0.0.1:1", "http://localhost:1", "http://localhost.", "http://[::1]:1"];
        for url in accepted.into_iter().chain(["https://10.0.0.1", "https://localhost"]) {
            assert!(accepts(url, false), "{url}");
        }
    }
}
