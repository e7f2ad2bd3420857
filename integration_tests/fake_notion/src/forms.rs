//! The same object in different forms, as answers of Notion differ that come from different places.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{clock, ids::mix, route::Route, workspace::Workspace};

/// How long a signed address is valid.
const VALID_MS: i64 = 3_600_000;

/// One form of all objects in an answer.
#[expect(clippy::struct_excessive_bools, reason = "independent habits, not a state")]
struct Form<'w> {
    workspace: &'w Workspace,
    /// What differs from one answer to the next.
    number: u64,
    /// Whether keys come in the opposite order.
    reverses_keys: bool,
    /// Whether `archived` is there.
    has_archived: bool,
    /// Whether `url` is of the older domain.
    has_old_domain: bool,
    /// Whether users are shown whole, where they are known, or as their ids only.
    has_users: bool,
    /// What the objects of a list say of the answer, if they do.
    extra: Option<(&'static str, &'static str)>,
}

/// The answer to a request of the route with this number, in the form that the route has.
pub(crate) fn varied(workspace: &Workspace, route: Route, number: u64, mut answer: Value) -> Value {
    let form = Form {
        workspace,
        number,
        reverses_keys: matches!(route, Route::Search),
        has_archived: !matches!(route, Route::Search | Route::BlockChildren(_)),
        has_old_domain: matches!(route, Route::QueryDataSource(_)) || number.is_multiple_of(2),
        has_users: !matches!(route, Route::Search | Route::BlockChildren(_)),
        extra: match route {
            Route::Search => Some(("developer_survey", "https://notionup.typeform.com/to/bllBsoI4")),
            Route::QueryDataSource(_) => Some(("request_id", "0b5cf0f2-1d1c-4d3c-8d2f-6f0c4b7f7a11")),
            _ => None,
        },
    };
    match route {
        Route::Search | Route::QueryDataSource(_) | Route::BlockChildren(_) | Route::Comments(_) => {
            let results = answer["results"].as_array_mut().into_iter().flatten();
            results.for_each(|object| form.apply(object));
        }
        Route::Page(_) | Route::DataSource(_) | Route::Database(_) | Route::Block(_) => {
            form.apply(&mut answer);
        }
        _ => {}
    }
    answer
}

impl Form<'_> {
    fn apply(&self, object: &mut Value) {
        self.change_values(object);
        let Some(fields) = object.as_object_mut() else { return };
        if !self.has_archived {
            fields.shift_remove("archived");
        }
        if let Some(url) = fields.get_mut("url").filter(|url| url.is_string() && self.has_old_domain) {
            *url = url.as_str().unwrap_or_default().replace("app.notion.com/p/", "www.notion.so/").into();
        }
        if let Some((name, value)) = self.extra {
            fields.insert(name.to_owned(), value.into());
        }
        if self.reverses_keys {
            reverse_keys(object);
        }
    }

    /// Signs file addresses and changes what is said of users, at any depth.
    fn change_values(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.change_values(item)),
            Value::Object(fields) => {
                self.sign(fields);
                if fields.get("object").is_some_and(|object| object == "user") {
                    *value = self.user(value);
                } else {
                    fields.values_mut().for_each(|field| self.change_values(field));
                }
            }
            _ => {}
        }
    }

    fn sign(&self, file: &mut Map<String, Value>) {
        if !file.contains_key("expiry_time") {
            return;
        }
        if let Some(url) = file.get("url").and_then(Value::as_str) {
            let address = url.split('?').next().unwrap_or_default();
            let signature = mix(self.number);
            let signed = format!("{address}?X-Amz-Expires=3600&X-Amz-Signature={signature:016x}");
            file.insert("url".to_owned(), signed.into());
            let expiry = self.workspace.now().timestamp_millis() + VALID_MS;
            file.insert("expiry_time".to_owned(), clock::minute_text(expiry).into());
        }
    }

    fn user(&self, user: &Value) -> Value {
        let id: Option<Uuid> = user["id"].as_str().and_then(|id| id.parse().ok());
        let mut users = self.workspace.users().iter();
        let known = users.find(|known| Some(known.id) == id).filter(|_| self.has_users);
        known.map_or_else(|| json!({"object": "user", "id": user["id"]}), |known| known.object.clone())
    }
}

fn reverse_keys(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(reverse_keys),
        Value::Object(fields) => {
            fields.values_mut().for_each(reverse_keys);
            *fields = std::mem::take(fields).into_iter().rev().collect();
        }
        _ => {}
    }
}
