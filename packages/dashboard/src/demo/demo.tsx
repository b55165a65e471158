export const Demo = () => <p>demo</p>
