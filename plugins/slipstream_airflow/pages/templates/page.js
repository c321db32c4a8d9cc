"use strict";
// Airflow shows this page in a frame of its own address. Follow the theme that its reader chose there, and let links
// that lead out of the page open in Airflow itself, which the frame's sandbox does not let them do alone.
(() => {
  let shell = null;
  try {
    if (window.parent !== window) shell = window.parent.document;
  } catch {
    shell = null;
  }

  const follow = () => {
    const named = ["dark", "light"].find((name) => shell.documentElement.classList.contains(name));
    if (named) document.documentElement.dataset.theme = named;
  };
  if (shell) {
    follow();
    new MutationObserver(follow).observe(shell.documentElement, { attributes: true, attributeFilter: ["class"] });
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-out]");
    if (!link || !shell || event.defaultPrevented || event.button !== 0) return;
    event.preventDefault();
    const outside = shell.createElement("a");
    outside.href = link.href;
    if (new URL(link.href).origin !== window.location.origin || event.ctrlKey || event.metaKey) {
      outside.target = "_blank";
      outside.rel = "noopener noreferrer";
    }
    shell.body.append(outside);
    outside.click();
    outside.remove();
  });

  const spell = (detail) => {
    if (typeof detail === "string") return detail;
    if (Array.isArray(detail)) return detail.map((each) => each.msg).join("; ");
    return "no reason was given";
  };

  document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("form[data-runs]");
    if (!form) return;
    const told = form.querySelector("output");
    const button = form.querySelector("button");
    button.disabled = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      told.textContent = "Asking Airflow …";
      const conf = { version: form.elements.version.value, reason: form.elements.reason.value };
      try {
        const answer = await fetch(form.dataset.runs, {
          method: "POST",
          credentials: "same-origin",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ logical_date: null, conf }),
        });
        const found = await answer.json();
        if (!answer.ok) throw new Error(`Airflow refused (${answer.status}): ${spell(found.detail)}`);
        told.textContent = "Started: ";
        const run = document.createElement("a");
        run.href = `${form.dataset.dag}/runs/${encodeURIComponent(found.dag_run_id)}`;
        run.dataset.out = "";
        run.textContent = found.dag_run_id;
        told.append(run);
      } catch (error) {
        told.textContent = error.message;
        button.disabled = false;
      }
    });
  });
})();
