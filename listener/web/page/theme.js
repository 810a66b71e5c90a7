// Before anything is painted: the look that was chosen here earlier. Without a choice the system's holds.
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
