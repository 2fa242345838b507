/** What a table reads from the address, and what it writes there. */
const NOT_FILTERS = new Set(["q", "order", "limit", "after", "peek", "tab", "range"]);

/** The names of the filters that are set, in the address's order. */
export function namesOfFilters(params) {
  const names = [...params.keys()].filter((name) => !NOT_FILTERS.has(name)).map((name) => name.split(".")[0]);
  return [...new Set(names)];
}

/** The values of one filter: `{ is, has, from, to }`, each a text or nothing. */
export const filterOf = (params, name) => ({
  is: params.get(name) ?? "",
  has: params.get(`${name}.has`) ?? "",
  from: params.get(`${name}.from`) ?? "",
  to: params.get(`${name}.to`) ?? "",
});

/** The changes to the address that set one filter; whatever is left out is taken away. */
export const settingFilter = (name, { is = "", has = "", from = "", to = "" }) => ({
  [name]: is,
  [`${name}.has`]: has,
  [`${name}.from`]: from,
  [`${name}.to`]: to,
  after: "",
});

/** The query that asks for the whole of what is filtered. */
export function queryOfList(params) {
  const query = new URLSearchParams(params);
  for (const name of ["limit", "after", "peek", "tab", "range"]) query.delete(name);
  const text = query.toString();
  return text ? `?${text}` : "";
}
