//! One browser, with nothing in it: what a person does with it, and what can be read off its page.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use emend_tests::process::eventually;
use hyper::Method;
use serde_json::{Value, json};

use crate::driver::Driver;

/// How long the page may take to show what it is asked for, on a machine that has much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A laptop's window and a phone's.
pub(crate) const LAPTOP: (u32, u32) = (1366, 768);
pub(crate) const PHONE: (u32, u32) = (390, 844);

pub(crate) const TAB: char = '\u{E004}';
pub(crate) const ENTER: char = '\u{E007}';
pub(crate) const ESCAPE: char = '\u{E00C}';

// Each page keeps what the tests ask for: which policies of its content were broken, and what it was told that it holds.
const WATCH: &str = "window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) =>
        window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`));
    const plain = window.fetch;
    window.fetch = async (...call) => {
        const answer = await plain(...call);
        if (String(call[0]).endsWith('/lease') && answer.ok)
            window.held = (await answer.clone().json()).leases.map((lease) => lease.review.seq);
        return answer;
    };";

/// A browser of a driver.
pub(crate) struct Browser<'a> {
    driver: &'a Driver,
    session: String,
}

impl<'a> Browser<'a> {
    pub(crate) async fn open(driver: &'a Driver, (width, height): (u32, u32)) -> Result<Self> {
        let data = tempfile::Builder::new().prefix("chromium-").tempdir_in(driver.folder())?.keep();
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
        ];
        let mut flags: Vec<String> = flags.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", data.display()));
        flags.push(format!("--window-size={width},{height}"));
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
            // A dialog that a page opens stays open, and fails what comes next.
            "unhandledPromptBehavior": "ignore",
        });
        let body = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let made = driver.call(Method::POST, "/session", &body).await?;
        let session = made["sessionId"].as_str().context("a session has an id")?.to_owned();
        let browser = Self { driver, session };
        browser.resize((width, height)).await?;
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await?;
        Ok(browser)
    }

    /// The page's own size, without a window around it.
    pub(crate) async fn resize(&self, (width, height): (u32, u32)) -> Result<()> {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.cdp("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    pub(crate) async fn go(&self, url: &str) -> Result<()> {
        self.post("url", json!({ "url": url })).await.map(drop)
    }

    pub(crate) async fn reload(&self) -> Result<()> {
        self.post("refresh", json!({})).await.map(drop)
    }

    /// Closes the tab, as a person does, and is left with an empty one.
    pub(crate) async fn close_tab(&self) -> Result<()> {
        let old = self.call(Method::GET, "window", &Value::Null).await?;
        let new = self.post("window/new", json!({ "type": "tab" })).await?["handle"].take();
        self.post("window", json!({ "handle": old })).await?;
        self.call(Method::DELETE, "window", &Value::Null).await?;
        self.post("window", json!({ "handle": new })).await.map(drop)
    }

    pub(crate) async fn quit(self) -> Result<()> {
        self.driver.call(Method::DELETE, &format!("/session/{}", self.session), &Value::Null).await.map(drop)
    }

    /// Keys pressed one after the other, wherever the focus is.
    pub(crate) async fn keys(&self, keys: &str) -> Result<()> {
        let press = |key: char| {
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(press).collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        self.post("actions", body).await.map(drop)
    }

    pub(crate) async fn key(&self, key: char) -> Result<()> {
        self.keys(&key.to_string()).await
    }

    /// A click on the first element that the selector finds.
    pub(crate) async fn click(&self, selector: &str) -> Result<()> {
        let found = self.post("element", json!({ "using": "css selector", "value": selector })).await?;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        let id = id.context("an element has an id")?;
        self.post(&format!("element/{id}/click"), json!({})).await.map(drop)
    }

    /// What a script returns, which gets `arguments` under that name.
    pub(crate) async fn script(&self, script: &str, arguments: &[Value]) -> Result<Value> {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// The text that is seen in the first element that the selector finds; none when there is no such element.
    pub(crate) async fn text(&self, selector: &str) -> Result<Option<String>> {
        let script = "return document.querySelector(arguments[0])?.innerText ?? null";
        Ok(self.script(script, &[selector.into()]).await?.as_str().map(str::to_owned))
    }

    /// Whether anything visible is found.
    pub(crate) async fn shows(&self, selector: &str) -> Result<bool> {
        let script = "return Boolean(document.querySelector(arguments[0])?.checkVisibility())";
        Ok(self.script(script, &[selector.into()]).await? == true)
    }

    /// Waits until something visible is found.
    pub(crate) async fn wait_for(&self, selector: &str) -> Result<()> {
        self.until(selector, async || self.shows(selector).await.ok()?.then_some(())).await
    }

    /// Waits until `look` finds something; else says what the page showed.
    pub(crate) async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
        match eventually(what, PATIENCE, look).await {
            Ok(found) => Ok(found),
            Err(error) => {
                let seen = self.text("body").await.ok().flatten().unwrap_or_default();
                let console = self.console().await.unwrap_or_default();
                Err(error.context(format!("the page shows: {seen}\nconsole: {console:#?}")))
            }
        }
    }

    /// What the input method is composing: each text in turn stands underlined where the cursor is, and the last is taken.
    /// Every key on the way is the input method's, Enter, which takes it, among them.
    pub(crate) async fn compose(&self, stages: &[&str]) -> Result<()> {
        for stage in stages {
            self.process_key("KeyA", true).await?;
            let end = stage.encode_utf16().count();
            let text = json!({ "text": stage, "selectionStart": end, "selectionEnd": end });
            self.cdp("Input.imeSetComposition", text).await?;
            self.process_key("KeyA", false).await?;
        }
        self.process_key("Enter", true).await?;
        self.cdp("Input.insertText", json!({ "text": stages.last() })).await?;
        self.process_key("Enter", false).await
    }

    /// A key as browsers tell of it while an input method has it.
    async fn process_key(&self, code: &str, down: bool) -> Result<()> {
        let kind = if down { "rawKeyDown" } else { "keyUp" };
        let key = json!({ "type": kind, "key": "Process", "code": code, "windowsVirtualKeyCode": 229 });
        self.cdp("Input.dispatchKeyEvent", key).await.map(drop)
    }

    /// What the page shows, as a PNG file.
    pub(crate) async fn picture(&self, path: &Path) -> Result<()> {
        let picture = self.call(Method::GET, "screenshot", &Value::Null).await?;
        let picture = STANDARD.decode(picture.as_str().context("a picture in base 64")?)?;
        std::fs::write(path, picture).with_context(|| path.display().to_string())
    }

    /// All that the console was told since it was last asked.
    pub(crate) async fn console(&self) -> Result<Vec<String>> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await?;
        let line = |entry: &Value| {
            let word = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", word("level"), word("message"))
        };
        Ok(entries.as_array().into_iter().flatten().map(line).collect())
    }

    /// The page broke none of its own rules, and the console was told of nothing but what is `expected`.
    pub(crate) async fn is_clean(&self, expected: &[&str]) -> Result<()> {
        let violations = self.script("return window.violations", &[]).await?;
        ensure!(violations == json!([]), "the page's policy was broken: {violations}");
        let lines = self.console().await?;
        // The browser asks for that by itself when it is done with a page before it has read which icon is the page's.
        let known =
            |line: &String| expected.iter().chain(&["/favicon.ico"]).any(|known| line.contains(known));
        let odd: Vec<_> = lines.iter().filter(|line| !known(line)).collect();
        ensure!(odd.is_empty(), "the console was told: {odd:#?}");
        Ok(())
    }

    pub(crate) async fn cdp(&self, command: &str, parameters: Value) -> Result<Value> {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.call(Method::POST, path, &body).await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        self.driver.call(method, &format!("/session/{}/{path}", self.session), body).await
    }
}
