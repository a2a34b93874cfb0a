"use strict";

// Parts of Swagger UI are replaced here: what was slow, what wrote to the console or to the disk,
// and what a screen reader or a keyboard could not use.

const TOKEN = "caseload-docs-token";

// Swagger UI reads the document as YAML, which is slow.
const parseToJson = (_, { specActions }) => (text) => specActions.updateJsonSpec(JSON.parse(text));

// Swagger UI reads the whole document anew for each part that it shows: two seconds each time.
const resolveSubtree = async (document, path) => ({
  spec: resolve(document, path.reduce((node, key) => node[key], document)),
  errors: [],
});

// A copy of the node in which each reference is replaced by its target. All references are to this
// document, such as "#/components/schemas/Task". `within` are the references that led to the node:
// another one to the same target would never end, and is replaced by its name.
const resolve = (document, node, within = []) => {
  if (Array.isArray(node)) return node.map((inner) => resolve(document, inner, within));
  if (node === null || typeof node !== "object") return node;
  const reference = node.$ref;
  if (reference === undefined)
    return Object.fromEntries(
      Object.entries(node).map(([key, inner]) => [key, resolve(document, inner, within)]),
    );
  const keys = reference.slice(2).split("/");
  if (within.includes(reference)) return { title: keys.at(-1) };
  const target = keys.reduce((inner, key) => inner[key], document);
  return resolve(document, target, [...within, reference]);
};

// Swagger UI writes an error for each `_` in the address; our operations have it in their names.
const parseDeepLinkHash = (_, { layoutActions }) => (hash) => {
  const [tag, operation] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (!tag) return;
  const keys = [["operations-tag", tag]];
  if (operation) keys.push(["operations", tag, operation]);
  keys.forEach((key) => layoutActions.show(key, true));
  layoutActions.scrollTo(keys.at(-1));
};

// This tab remembers the token until it is closed. Swagger UI would keep it in localStorage, on the
// disk, for every later user of the browser: a token gives access to customers' records.
const persistAuthorizationIfNeeded = (_, { authSelectors }) => () =>
  sessionStorage.setItem(TOKEN, JSON.stringify(authSelectors.authorized()));

const restoreToken = () => {
  const authorized = JSON.parse(sessionStorage.getItem(TOKEN));
  if (authorized) ui.authActions.restoreAuthorization({ authorized });
};

// Names and roles that Swagger UI does not give.
const set = (name, value) => (element) => element.setAttribute(name, value);
const repairs = {
  ".information-container:not([role])": set("role", "banner"),
  ".filter-container:not([role])": set("role", "search"),
  ".modal-ux:not([role])": set("role", "dialog"),
  ".modal-ux:not([aria-label])": set("aria-label", "Authorize"),
  ".close-modal:not([aria-label])": set("aria-label", "Close"),
  ".auth-btn-wrapper [aria-label]": (button) => button.removeAttribute("aria-label"), // has text
  ".responses-table[role]": (table) => table.removeAttribute("role"), // a table, not a region
  ".examples-select-element:not([aria-label])": set("aria-label", "Example"),
  "[data-param-name] :is(input, select, textarea):not([aria-label])": (control) =>
    control.setAttribute("aria-label", control.closest("[data-param-name]").dataset.paramName),
  "select:not([aria-label])": set("aria-label", "Media type"),
  "textarea:not([aria-label])": set("aria-label", "Body"),
  "pre:not([tabindex])": set("tabindex", "0"), // or a keyboard cannot scroll it
};
const page = document.getElementById("page");
new MutationObserver(() => {
  for (const [selector, repair] of Object.entries(repairs))
    page.querySelectorAll(selector).forEach(repair);
}).observe(page, { childList: true, subtree: true });

const plugin = ({ React: { createElement, Fragment } }) => ({
  components: {
    ServersContainer: () => null, // a choice of one: this service
    DeepLink: ({ text }) => createElement("span", null, text), // was a link inside a button
    // The fields of a list of these. Swagger UI warns that it has none of its own.
    ...Object.fromEntries(
      ["date-time", "uuid"].map((format) => [
        `JsonSchema_string_${format}`,
        (props) => createElement(props.getComponent("JsonSchema_string"), props),
      ]),
    ),
  },
  wrapComponents: {
    // The title is a heading of level 1, each tag one of level 3.
    InfoContainer: (Original) => (props) =>
      createElement(
        Fragment,
        null,
        createElement(Original, props),
        createElement("h2", { className: "for-screen-readers" }, "Operations"),
      ),
  },
  fn: { resolveSubtree },
  statePlugins: {
    auth: { wrapActions: { persistAuthorizationIfNeeded } },
    layout: { wrapActions: { parseDeepLinkHash } },
    spec: { wrapActions: { parseToJson } },
  },
});

const ui = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  validatorUrl: null, // else it sends the document to a validator on the web
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  defaultModelsExpandDepth: -1, // each operation shows its own
  syntaxHighlight: { theme: "nord" },
  onComplete: restoreToken,
  plugins: [plugin],
});
