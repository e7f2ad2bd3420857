//! What the environment says about the way to Notion: the proxy and the certificates.
//!
//! A variable that cannot be used stops the run. Nothing is sent past a proxy that someone has named, and no message
//! shows a value: it may hold a password.

use std::{
    env,
    ffi::OsString,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use reqwest::{Proxy, Url};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::{ApiError, list_request::percent_encoded};

/// In the order in which they are looked at. An empty one is none.
const HTTPS_PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const HTTP_PROXIES: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];
const CERTIFICATE_FILE: &str = "SSL_CERT_FILE";
const CERTIFICATE_FOLDERS: &str = "SSL_CERT_DIR";

fn unusable(variable: &'static str, problem: &str) -> ApiError {
    ApiError::Environment { variable, problem: problem.to_owned() }
}

/// The value of the first of these variables that has one.
fn first(
    names: &[&'static str],
    look_up: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<(&'static str, String)>, ApiError> {
    for name in names {
        let Some(value) = look_up(name) else { continue };
        let value = value.into_string().map_err(|_value| unusable(name, "it is not a UTF-8 text"))?;
        let value = value.trim();
        if !value.is_empty() {
            return Ok(Some((name, value.to_owned())));
        }
    }
    Ok(None)
}

/// The proxy to Notion's API, if the environment names one for it.
pub(super) fn proxy(
    base: &Url,
    look_up: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Proxy>, ApiError> {
    let no_proxy = first(&NO_PROXY, &look_up)?;
    let is_excepted = no_proxy.map_or(Ok(false), |(name, list)| {
        is_excepted(base, &list).map_err(|problem| unusable(name, problem))
    })?;
    let names = if base.scheme() == "https" { HTTPS_PROXIES } else { HTTP_PROXIES };
    let Some((name, value)) = first(&names, look_up)? else { return Ok(None) };
    let url = proxy_url(&value).map_err(|problem| unusable(name, problem))?;
    if is_excepted {
        return Ok(None);
    }
    Proxy::all(url).map(Some).map_err(|_words| unusable(name, "it is not the address of a proxy"))
}

/// Reads a proxy's address. User name and password may have any characters, percent-encoded or as they are.
fn proxy_url(value: &str) -> Result<Url, &'static str> {
    if value.contains(char::is_control) {
        return Err("it has control characters");
    }
    let value = value.strip_suffix('/').unwrap_or(value);
    // As elsewhere, a proxy is one of plain http unless it says otherwise.
    let (scheme, rest) = match value.split_once("://") {
        Some(parts) => parts,
        None if value.contains('/') => return Err("it must begin with http:// or https://"),
        None => ("http", value),
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme.starts_with("socks") {
        return Err("SOCKS proxies are not supported; name an HTTP proxy, such as http://proxy.example:8080");
    }
    if scheme != "http" && scheme != "https" {
        return Err("it must begin with http:// or https://");
    }
    let (user_info, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
    let wrong_host = "it must be a host name or address with a port, such as http://proxy.example:8080";
    let is_of_host = |character: char| character.is_alphanumeric() || ".-_:[]".contains(character);
    if host.is_empty() || !host.chars().all(is_of_host) {
        return Err(wrong_host);
    }
    let user_info = user_info.map_or_else(String::new, |user_info| {
        let encoded = |text| percent_encoded(percent_decoded(text));
        match user_info.split_once(':') {
            Some((user, password)) => format!("{}:{}@", encoded(user), encoded(password)),
            None => format!("{}@", encoded(user_info)),
        }
    });
    Url::parse(&format!("{scheme}://{user_info}{host}/")).map_err(|_words| wrong_host)
}

/// The bytes of a text whose percent signs may or may not begin an escape.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, after) = match (escaped, tail) {
            (Some((high, low)), [_high, _low, after @ ..]) => (high * 16 + low, after),
            _ => (*first, tail),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// Whether the API is one of the hosts that are reached without a proxy: names, with those below them; addresses and
/// networks; each with a port or without; or `*` for all.
fn is_excepted(base: &Url, list: &str) -> Result<bool, &'static str> {
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
    let address: Option<IpAddr> = host.parse().ok();
    let mut is_excepted = false;
    for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        is_excepted |= match NoProxyEntry::parse(entry)? {
            NoProxyEntry::All => true,
            NoProxyEntry::Network(network, prefix) => {
                address.is_some_and(|address| is_within(address, network, prefix))
            }
            NoProxyEntry::Name(name, port) => {
                let is_below = host.strip_suffix(&name).is_some_and(|below| below.ends_with('.'));
                (host == name || is_below)
                    && port.is_none_or(|port| base.port_or_known_default() == Some(port))
            }
        };
    }
    Ok(is_excepted)
}

enum NoProxyEntry {
    All,
    Network(IpAddr, u32),
    Name(String, Option<u16>),
}

impl NoProxyEntry {
    fn parse(entry: &str) -> Result<Self, &'static str> {
        const PROBLEM: &str = "it must be a list of host names, addresses or networks, such as localhost,.example.com,10.0.0.0/8";
        if entry == "*" {
            return Ok(Self::All);
        }
        let bare = entry.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Network(address, bits(address)));
        }
        if let Some((address, prefix)) = entry.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_words| PROBLEM)?;
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= bits(address)).ok_or(PROBLEM)?;
            return Ok(Self::Network(address, prefix));
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().map_err(|_words| PROBLEM)?)),
            None => (entry, None),
        };
        let name = name.strip_prefix('*').unwrap_or(name).trim_matches('.').to_ascii_lowercase();
        let is_of_name = |character: char| character.is_alphanumeric() || ".-_".contains(character);
        if name.is_empty() || !name.chars().all(is_of_name) {
            return Err(PROBLEM);
        }
        Ok(Self::Name(name, port))
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_within(address: IpAddr, network: IpAddr, prefix: u32) -> bool {
    let differing = match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => (address.to_bits() ^ network.to_bits()).leading_zeros(),
        (IpAddr::V6(address), IpAddr::V6(network)) => (address.to_bits() ^ network.to_bits()).leading_zeros(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    differing >= prefix
}

/// Fails unless the certificates that the environment names can be used. Where it names any, no others are trusted.
pub(super) fn check_certificates(look_up: impl Fn(&str) -> Option<OsString>) -> Result<(), ApiError> {
    let file = look_up(CERTIFICATE_FILE).map(PathBuf::from);
    if let Some(file) = &file {
        let fail = |problem| Err(unusable(CERTIFICATE_FILE, problem));
        match fs::File::open(file) {
            Ok(_readable) if file.is_file() => {}
            _unreadable => return fail("it names no file that can be read"),
        }
        if !has_certificate(file) {
            return fail("the file holds no certificate authority in PEM format");
        }
    }
    let folders: Vec<PathBuf> = look_up(CERTIFICATE_FOLDERS).iter().flat_map(env::split_paths).collect();
    let folders: Vec<&PathBuf> = folders.iter().filter(|folder| !folder.as_os_str().is_empty()).collect();
    if folders.is_empty() {
        return Ok(());
    }
    let readable: Vec<fs::ReadDir> = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).collect();
    if readable.is_empty() {
        return Err(unusable(CERTIFICATE_FOLDERS, "it names no folder that can be read"));
    }
    let mut files = readable.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    if file.is_none() && !files.any(|file| has_certificate(&file)) {
        let problem = "its folders hold no certificate authority in PEM format";
        return Err(unusable(CERTIFICATE_FOLDERS, problem));
    }
    Ok(())
}

/// Whether a file holds a certificate that others can be checked against.
fn has_certificate(file: &Path) -> bool {
    let is_usable = |certificate| RootCertStore::empty().add(certificate).is_ok();
    CertificateDer::pem_file_iter(file)
        .is_ok_and(|mut certificates| certificates.any(|certificate| certificate.is_ok_and(is_usable)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn base() -> Url {
        "https://api.notion.com".parse().unwrap()
    }

    /// Looks up these variables.
    fn variables(values: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + use<> {
        let values: BTreeMap<String, OsString> =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        move |name| values.get(name).cloned()
    }

    /// The variable that is named as unusable.
    fn unusable_variable(result: Result<impl Sized, ApiError>, secret: &str) -> &'static str {
        let Err(error) = result else { panic!("{secret} was taken") };
        assert!(secret.is_empty() || !error.to_string().contains(secret), "{error}");
        let ApiError::Environment { variable, .. } = error else { panic!("{error}") };
        variable
    }

    #[test]
    fn user_names_and_passwords_have_any_characters() {
        let cases = [
            ("http://proxy:3128", "http://proxy:3128/"),
            ("proxy:3128/", "http://proxy:3128/"),
            ("HTTPS://Proxy.Example", "https://proxy.example/"),
            ("http://user@[::1]:3128", "http://user@[::1]:3128/"),
            ("http://user:p%5Ess@proxy:1", "http://user:p%5Ess@proxy:1/"),
            ("http://user:p^ss%@proxy:1", "http://user:p%5Ess%25@proxy:1/"),
            ("http://user:p%2541@proxy:1", "http://user:p%2541@proxy:1/"),
            (r"http://DOMAIN\user:a b@proxy:1", "http://DOMAIN%5Cuser:a%20b@proxy:1/"),
            ("http://user:p#s/s?@@proxy:1", "http://user:p%23s%2Fs%3F%40@proxy:1/"),
            ("http://us er:é:x@proxy:1", "http://us%20er:%C3%A9%3Ax@proxy:1/"),
        ];
        for (value, expected) in cases {
            assert_eq!(proxy_url(value).map(String::from), Ok(expected.to_owned()), "{value}");
            assert!(proxy(&base(), variables(&[("HTTPS_PROXY", value)])).unwrap().is_some(), "{value}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_never_passed_by() {
        let values = [
            "\"http://user:hidden@proxy:1\"",
            "htp://user:hidden@proxy:1",
            "http:/user:hidden@proxy:1",
            "socks5://user:hidden@proxy:1",
            "http://user:hidden@",
            "http://user:hidden@proxy:1:x",
            "http://user:hidden@proxy:99999",
            "http://user:hidden@proxy:1/path",
            "http://user:hidden@pro xy:1",
            "http://user:hidden@proxy\u{7}:1",
            "hidden proxy",
        ];
        for name in HTTPS_PROXIES {
            for value in values {
                assert_eq!(unusable_variable(proxy(&base(), variables(&[(name, value)])), "hidden"), name);
            }
        }
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt;
            let look_up = |name: &str| (name == "HTTPS_PROXY").then(|| OsString::from_vec(vec![0xff]));
            assert_eq!(unusable_variable(proxy(&base(), look_up), ""), "HTTPS_PROXY");
        }
    }

    #[test]
    fn the_first_variable_with_a_value_counts() {
        let is_proxied =
            |values: &[(&str, &str)]| proxy(&base(), variables(values)).map(|proxy| proxy.is_some());
        assert!(
            !is_proxied(&[]).unwrap() && !is_proxied(&[("HTTPS_PROXY", " "), ("HTTP_PROXY", "x y")]).unwrap()
        );
        assert!(is_proxied(&[("HTTPS_PROXY", ""), ("all_proxy", "proxy:1")]).unwrap());
        let result = is_proxied(&[("https_proxy", "not a proxy"), ("all_proxy", "proxy:1")]);
        assert_eq!(unusable_variable(result, ""), "https_proxy");
        // Plain http has a proxy of its own.
        let local: Url = "http://127.0.0.1:1".parse().unwrap();
        assert!(proxy(&local, variables(&[("HTTPS_PROXY", "proxy:1")])).unwrap().is_none());
        assert!(proxy(&local, variables(&[("HTTP_PROXY", "proxy:1")])).unwrap().is_some());
    }

    #[test]
    fn hosts_without_a_proxy_are_named_in_every_usual_form() {
        let is_proxied = |base: &str, list| {
            let variables = variables(&[("HTTPS_PROXY", "proxy:1"), ("no_proxy", list)]);
            proxy(&base.parse().unwrap(), variables).unwrap().is_some()
        };
        for list in
            ["*", "notion.com", "x, .Notion.com ,", "*.notion.com", "api.notion.com:443", "api.notion.com."]
        {
            assert!(!is_proxied("https://api.notion.com", list), "{list}");
        }
        for list in ["", "x", "otion.com", "api.notion.com:8443", "10.0.0.0/8", "com.api"] {
            assert!(is_proxied("https://api.notion.com", list), "{list}");
        }
        for list in ["10.0.0.0/8", "10.1.2.3", "10.1.2.3/32"] {
            assert!(!is_proxied("https://10.1.2.3", list), "{list}");
        }
        assert!(!is_proxied("https://[fd00::1]", "fd00::/8") && !is_proxied("https://[::1]:8443", "[::1]"));
        assert!(is_proxied("https://11.1.2.3", "10.0.0.0/8,fd00::/8"));
    }

    #[test]
    fn a_list_of_hosts_that_cannot_be_read_is_told() {
        for list in ["http://x", "10.0.0.0/33", "\"x\"", "x y", "x:port", "x/8", "good,!"] {
            assert_eq!(unusable_variable(proxy(&base(), variables(&[("NO_PROXY", list)])), ""), "NO_PROXY");
        }
    }

    #[test]
    fn certificates_that_cannot_be_used_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let good = concat!(env!("CARGO_MANIFEST_DIR"), "/integration_tests/tls/authority.pem");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        fs::write(path("broken.pem"), broken).unwrap();
        fs::write(path("empty.pem"), "").unwrap();
        fs::create_dir(path("empty")).unwrap();
        fs::create_dir(path("full")).unwrap();
        fs::copy(good, path("full/authority.pem")).unwrap();
        for file in ["", "missing.pem", "empty", "empty.pem", "broken.pem"] {
            let value = if file.is_empty() { String::new() } else { path(file) };
            let result = check_certificates(variables(&[(CERTIFICATE_FILE, &value)]));
            assert_eq!(unusable_variable(result, ""), CERTIFICATE_FILE, "{file}");
        }
        let folders = |folders: &str, file: Option<&str>| {
            let mut values = vec![(CERTIFICATE_FOLDERS, folders)];
            values.extend(file.map(|file| (CERTIFICATE_FILE, file)));
            check_certificates(variables(&values))
        };
        for (missing, file) in
            [("missing", None), ("missing", Some(good)), ("empty", None), ("empty.pem", None)]
        {
            assert_eq!(
                unusable_variable(folders(&path(missing), file), ""),
                CERTIFICATE_FOLDERS,
                "{missing}"
            );
        }
        let list = format!("{}:{}", path("missing"), path("full"));
        assert!(check_certificates(variables(&[])).is_ok() && folders("", None).is_ok());
        assert!(folders(&path("empty"), Some(good)).is_ok() && folders(&list, None).is_ok());
    }
}
