/** Where the API key is entered. */

import { byId } from "./elements.js";

/** Opens the dialog by its button; `onKey` gets what was entered, "" when it is to be forgotten. */
export function installKeyDialog(server, onKey) {
  const dialog = byId("key");
  const finish = (key) => {
    dialog.close();
    server.use(key);
    onKey();
  };
  const open = () => {
    byId("key-value").value = server.key;
    dialog.showModal();
  };
  byId("key-open").addEventListener("click", open);
  byId("key-cancel").addEventListener("click", () => dialog.close());
  byId("key-forget").addEventListener("click", () => finish(""));
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    finish(byId("key-value").value.trim());
  });
  return open;
}
