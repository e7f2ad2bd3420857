//! What a command line names: the config, the streams, the state, each from wherever it is.

use std::{
    env,
    fs::{self, File},
    io,
    path::Path,
};

use chrono::Utc;
use secrecy::ExposeSecret;
use tracing::warn;

use super::Settings;
use crate::{
    cli::{ConfigArgs, ReadArgs},
    client::{ClientSettings, NotionClient, RefreshedTokens},
    config::Config,
    error::Error,
    protocol::{AirbyteMessage, Catalog, ConfiguredCatalog, Emitter, InputState, StateFile, StateFileError},
    streams,
};

/// The environment variable that is config enough.
pub(super) const TOKEN: &str = "NOTION_TOKEN";

fn cannot_be_read(kind: &'static str, path: &str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { kind, path, source }
}

fn load(kind: &'static str, path: &str) -> Result<String, Error> {
    fs::read_to_string(path).map_err(cannot_be_read(kind, path))
}

/// Loads the config; from then on nothing that is told shows its secrets.
pub(super) fn load_config(args: &ConfigArgs, emitter: &Emitter) -> Result<Config, Error> {
    let is_cloud = env::var("DEPLOYMENT_MODE").is_ok_and(|mode| mode.eq_ignore_ascii_case("cloud"));
    let parse = |text: &str, place: String| {
        Config::parse(text, Utc::now(), is_cloud).map_err(|source| {
            if source.is_about_the_file() { Error::ConfigForm { place, source } } else { source.into() }
        })
    };
    let config = match args.config.as_deref() {
        Some("-") => {
            let text = io::read_to_string(io::stdin()).map_err(cannot_be_read("config", "-"))?;
            parse(&text, "the config on stdin".to_owned())?
        }
        Some(path) => parse(&load("config", path)?, format!("the config file {path}"))?,
        None => Config::of_token(&env::var(TOKEN).unwrap_or_default(), Utc::now())?,
    };
    config.credentials.secrets().for_each(|secret| emitter.hide(secret));
    config.warnings().iter().for_each(|warning| warn!("{warning}"));
    Ok(config)
}

/// Makes the client; a refreshed token pair is told at once, for the old one may be used up.
pub(super) fn connect(
    config: &Config,
    emitter: &Emitter,
    settings: &Settings,
) -> Result<NotionClient, Error> {
    let client_settings = ClientSettings {
        base: config.api_url.clone(),
        access_token: config.credentials.access_token.clone(),
        oauth: config.credentials.oauth.clone(),
        max_in_flight: config.num_workers,
        retry: settings.retry,
        timeouts: settings.timeouts,
    };
    let emitter = emitter.clone();
    let replacement = config.token_replacement();
    let on_refresh = move |tokens: &RefreshedTokens| {
        [&tokens.access_token].into_iter().chain(&tokens.refresh_token).for_each(|token| emitter.hide(token));
        let refresh_token = tokens.refresh_token.as_ref().map(ExposeSecret::expose_secret);
        let config = replacement.with_tokens(tokens.access_token.expose_secret(), refresh_token);
        emitter.message_at_once(&AirbyteMessage::Control(config));
    };
    NotionClient::new(client_settings, on_refresh).map_err(Error::Client)
}

/// Loads the catalog, or makes one of the streams that were named, or of all.
pub(super) fn load_catalog(args: &ReadArgs) -> Result<ConfiguredCatalog, Error> {
    if let Some(path) = &args.catalog {
        let parsed = ConfiguredCatalog::parse(&load("catalog", path)?);
        return parsed.map_err(|source| Error::Catalog { path: path.clone(), source });
    }
    let Catalog { streams } = streams::catalog();
    let wanted = args.streams.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let wanted: Vec<&str> = wanted.collect();
    let known: Vec<&str> = streams.iter().map(|stream| stream.name.as_str()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
        return Err(Error::unknown_stream(unknown, &known));
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
    Ok(ConfiguredCatalog::of(streams.iter().filter(|stream| is_wanted(&stream.name))))
}

/// Loads the state of earlier reads; a state file is kept up to date from now on.
pub(super) fn load_state(
    args: &ReadArgs,
    catalog: &ConfiguredCatalog,
    emitter: &Emitter,
) -> Result<InputState, Error> {
    let (state, path) = match (&args.state, &args.state_file) {
        (Some(path), _) => (read_state(path)?, path),
        (None, None) => return Ok(InputState::default()),
        (None, Some(path)) => {
            let state = if Path::new(path).exists() { read_state(path)? } else { InputState::default() };
            let file = StateFile::open(Path::new(path), &state)
                .map_err(|source| Error::KeptFile { path: path.clone(), source })?;
            emitter.keep_states_in(file);
            (state, path)
        }
    };
    if !state.is_empty() && !catalog.streams.iter().any(|stream| state.stream(&stream.name).is_some()) {
        let names: Vec<&str> = state.streams().map(|(name, _state)| name).collect();
        let found = if names.is_empty() {
            "a state of an old form, which names no stream".to_owned()
        } else {
            format!("states of {}, which are not read", names.join(", "))
        };
        warn!("The state file {path} has {found}; what is read is read from the start.");
    }
    Ok(state)
}

/// Reads a state file of any form.
pub(super) fn read_state(path: &str) -> Result<InputState, Error> {
    let file = File::open(path).map_err(cannot_be_read("state", path))?;
    InputState::read(file).map_err(|error| match error {
        StateFileError::Io(source) => cannot_be_read("state", path)(source),
        source => Error::StateFile { path: path.to_owned(), source },
    })
}
