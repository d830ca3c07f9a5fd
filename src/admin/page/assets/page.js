// Adds to a page that is complete without it: live parts, copy buttons, marks of unsaved changes.
"use strict";
(() => {
  const stale = document.getElementById("stale");

  // Live parts: the server sends the whole page again when it differs.
  const isFrozen = (part) => part.contains(document.activeElement) && !document.activeElement.id
    || part.hasAttribute("data-freeze") && part.matches(":hover");
  const replace = (part, next) => {
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    const open = [...part.querySelectorAll("details[open][id]")].map((details) => details.id);
    part.innerHTML = next.innerHTML;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    prepare(part);
  };
  const update = (html) => {
    const next = new DOMParser().parseFromString(html, "text/html");
    document.title = next.title;
    for (const part of document.querySelectorAll("[data-live][id]")) {
      const newer = next.getElementById(part.id);
      if (newer && newer.innerHTML !== part.dataset.shown && !isFrozen(part)) {
        part.dataset.shown = newer.innerHTML;
        replace(part, newer);
      }
    }
  };
  if (document.querySelector("main [data-live]")) {
    const source = new EventSource(location.href);
    source.addEventListener("page", (event) => { stale.hidden = true; update(event.data); });
    source.onerror = () => { stale.hidden = false; };
    addEventListener("pagehide", () => source.close());
  }

  // What was done is said once: not again when the page is loaded again.
  const address = new URL(location.href);
  if (address.searchParams.has("done")) {
    address.searchParams.delete("done");
    address.searchParams.delete("count");
    history.replaceState(null, "", address);
  }

  const addCopyButton = (box) => {
    const { copy, copied } = document.body.dataset;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = copy;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(box.querySelector("pre").textContent);
      button.textContent = copied;
      setTimeout(() => { button.textContent = copy; }, 1500);
    });
    box.append(button);
  };
  const prepare = (root) => {
    if (navigator.clipboard) root.querySelectorAll(".copy").forEach(addCopyButton);
    for (const row of root.querySelectorAll("[data-add-row]")) row.hidden = false;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-add-row]");
    if (!button) return;
    const template = document.getElementById(button.dataset.addRow);
    const row = template.content.firstElementChild.cloneNode(true);
    template.before(row);
    row.querySelector("input")?.focus();
  });

  // Unsaved changes are marked, and a page that has some asks before it is left.
  const changed = new Set();
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-watch]");
    if (!form) return;
    changed.add(form);
    form.querySelector(".unsaved")?.removeAttribute("hidden");
  });
  document.addEventListener("submit", (event) => changed.delete(event.target));
  addEventListener("beforeunload", (event) => { if (changed.size) event.preventDefault(); });

  prepare(document);
})();
