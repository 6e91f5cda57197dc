// Tests import components as they are: vue-tsc checks those, so tsc need not know their types.
declare module '*.vue';
